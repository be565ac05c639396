import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  CLUSTER_ID_BYTES,
  EARLIER_START_BYTES,
  FORMAT_VERSION,
  INCARNATION_BYTES,
  MAX_EARLIER_STARTS,
  MAX_URL_BYTES,
  NONCE_BYTES,
  ORIGIN_BYTES,
  START_NONCE_BYTES,
} from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { MAX_ADDRESS_BYTES } from '../protocol/membership-bytes.ts'
import { isJoiner, type Versioned } from './admission.ts'
import { peerUrl } from './links.ts'
import type { Claim, Refusal } from './transport.ts'

/**
 * The messages on a dialled link before its first frame, as small JSON texts; this folder's README shows the sequence.
 * A text is read strictly: its own fields, each of its own type, nothing else.
 */
export const MAX_HANDSHAKE_BYTES = 4096

const PROOF_BYTES = 32

/** The accepting side begins: its nonce makes every proof valid for one link only. */
export interface Challenge {
  readonly type: 'challenge'
  readonly nonce: string
}

/** `to` is the id that was dialled: a proof made for one replica is worthless at another. */
export interface Hello extends Versioned {
  readonly type: 'hello'
  readonly to: number
  readonly nonce: string
  readonly proof: string | null
}

/** A hello of another version, of which nothing else is known. */
export interface ForeignHello {
  readonly type: 'foreign'
  readonly version: number
}

export interface Welcome extends Versioned {
  readonly type: 'welcome'
  readonly proof: string | null
}

/**
 * `clusterId` is that of the refuser. A refusal because of the version has the form that all versions have, and names
 * no id.
 */
export interface Refused {
  readonly type: 'refusal'
  readonly reason: Refusal
  readonly clusterId: string | null
  readonly proof: string | null
}

/** Both nonces of a link, hexadecimal. */
export interface Nonces {
  readonly challenge: string
  readonly hello: string
}

export function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString('hex')
}

export function challengeText(nonce: string): string {
  return JSON.stringify({ type: 'challenge', nonce } satisfies Challenge)
}

export function helloText(own: Claim, to: number, nonces: Nonces, secret: Uint8Array | null): string {
  const proof = proofOf(secret, 'hello', nonces, [...claimFields(own), to])
  return JSON.stringify({ type: 'hello', ...writtenClaim(own), to, nonce: nonces.hello, proof })
}

export function welcomeText(own: Claim, dialler: number, nonces: Nonces, secret: Uint8Array | null): string {
  const proof = proofOf(secret, 'welcome', nonces, [...claimFields(own), dialler])
  return JSON.stringify({ type: 'welcome', ...writtenClaim(own), proof })
}

export function refusalText(
  reason: Refusal,
  clusterId: string | null,
  nonces: Nonces,
  secret: Uint8Array | null,
): string {
  const said = reason === 'version' ? { reason } : { reason, clusterId }
  return JSON.stringify({ type: 'refusal', ...said, proof: proofOf(secret, 'refusal', nonces, Object.values(said)) })
}

/** Whether the dialler knows the secret; if there is no secret, that it sends no proof. */
export function helloIsProved(hello: Hello, challenge: string, secret: Uint8Array | null): boolean {
  const nonces = { challenge, hello: hello.nonce }
  return same(hello.proof, proofOf(secret, 'hello', nonces, [...claimFields(hello), hello.to]))
}

/** Whether the replica that `dialler` dialled knows the secret. */
export function welcomeIsProved(welcome: Welcome, dialler: number, nonces: Nonces, secret: Uint8Array | null): boolean {
  return same(welcome.proof, proofOf(secret, 'welcome', nonces, [...claimFields(welcome), dialler]))
}

/** Whether a refusal comes from a replica that knows the secret. */
export function refusalIsProved(refusal: Refused, nonces: Nonces, secret: Uint8Array | null): boolean {
  const { reason, clusterId } = refusal
  const said = reason === 'version' ? [reason] : [reason, clusterId]
  return same(refusal.proof, proofOf(secret, 'refusal', nonces, said))
}

/**
 * Whether a refusal is about this replica's directory: enough of these end it for good, so strangers must not be able
 * to send them.
 */
export function needsProof({ reason }: Refused): boolean {
  return reason === 'foreign' || reason === 'amnesiac' || reason === 'copy'
}

/** Reads the message of a dialler. Throws an `EpaxosError` with code `malformed`. */
export function readHello(bytes: Uint8Array): Hello | ForeignHello {
  const fields = readFields(bytes)
  if (fields.type !== 'hello') throw malformed('not a hello')
  const version = wholeNumber(fields, 'version')
  if (version !== FORMAT_VERSION) return { type: 'foreign', version }
  onlyFields(fields, ['type', ...CLAIM_FIELDS, 'to', 'nonce', 'proof'])
  return {
    type: 'hello',
    ...readClaim(fields, version),
    to: wholeNumber(fields, 'to'),
    nonce: hexadecimal(fields, 'nonce', NONCE_BYTES),
    proof: readProof(fields),
  }
}

/** Reads the message of the replica that was dialled. Throws an `EpaxosError` with code `malformed`. */
export function readAnswer(bytes: Uint8Array): Challenge | Welcome | Refused {
  const fields = readFields(bytes)
  switch (fields.type) {
    case 'challenge':
      onlyFields(fields, ['type', 'nonce'])
      return { type: 'challenge', nonce: hexadecimal(fields, 'nonce', NONCE_BYTES) }
    case 'welcome':
      onlyFields(fields, ['type', ...CLAIM_FIELDS, 'proof'])
      return { type: 'welcome', ...readClaim(fields, wholeNumber(fields, 'version')), proof: readProof(fields) }
    case 'refusal':
      return readRefusal(fields)
    default:
      throw malformed('unknown type')
  }
}

const CLAIM_FIELDS = [
  ...(['version', 'cluster', 'epoch', 'replicas', 'id', 'incarnation'] as const),
  ...(['address', 'clientUrl', 'durable', 'origin'] as const),
  ...(['start', 'startNonce', 'earlier', 'journal', 'clusterId', 'founded'] as const),
]
const REASONS: readonly string[] = [
  ...(['version', 'cluster', 'replicas', 'row', 'origin', 'secret'] satisfies Refusal[]),
  ...(['foreign', 'unknown', 'amnesiac', 'copy'] satisfies Refusal[]),
]

type Fields = Readonly<Record<string, unknown>>

function writtenClaim(claim: Claim): Fields {
  const { cluster, epoch, replicas, id, incarnation, address, clientUrl, durable = true, origin = null } = claim
  const { start, earlier, journal, clusterId, founded } = claim
  return {
    ...{ version: FORMAT_VERSION, cluster, epoch, replicas, id, incarnation: hex(incarnation) },
    ...{ address, clientUrl, durable, origin },
    ...{ start: start.number, startNonce: hex(start.nonce), earlier: hex(earlier), journal, clusterId, founded },
  }
}

function claimFields(claim: Claim): readonly unknown[] {
  return Object.values(writtenClaim(claim))
}

/** HMAC-SHA256 over an unambiguous list that names the kind of proof, so that no proof can stand for another. */
function proofOf(
  secret: Uint8Array | null,
  kind: 'hello' | 'welcome' | 'refusal',
  nonces: Nonces,
  claim: readonly unknown[],
): string | null {
  if (secret === null) return null
  const said = JSON.stringify([`epaxos ${kind}`, nonces.challenge, nonces.hello, ...claim])
  return createHmac('sha256', secret).update(said).digest('hex')
}

function same(given: string | null, expected: string | null): boolean {
  if (given === null || expected === null) return given === expected
  return timingSafeEqual(Buffer.from(given, 'hex'), Buffer.from(expected, 'hex'))
}

function readFields(bytes: Uint8Array): Fields {
  if (bytes.byteLength > MAX_HANDSHAKE_BYTES) throw malformed(`longer than ${MAX_HANDSHAKE_BYTES} bytes`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw malformed('not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object')
  return value as Fields
}

function onlyFields(fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields)) if (!names.includes(name)) throw malformed('a field too many')
}

function readClaim(fields: Fields, version: number): Versioned {
  const claim = readParts(fields, version)
  const { epoch, clusterId, founded } = claim
  if (isJoiner(claim) && (epoch !== 0 || clusterId !== null || founded)) throw malformed('a joiner with a cluster')
  return claim
}

function readParts(fields: Fields, version: number): Versioned {
  return {
    version,
    cluster: text(fields, 'cluster'),
    epoch: wholeNumber(fields, 'epoch'),
    replicas: wholeNumber(fields, 'replicas'),
    id: wholeNumber(fields, 'id'),
    incarnation: bytes(fields, 'incarnation', INCARNATION_BYTES),
    address: address(fields),
    clientUrl: short(fields, 'clientUrl', MAX_URL_BYTES),
    durable: flag(fields, 'durable'),
    ...(fields.origin === null ? {} : { origin: hexadecimal(fields, 'origin', ORIGIN_BYTES) }),
    start: { number: wholeNumber(fields, 'start'), nonce: bytes(fields, 'startNonce', START_NONCE_BYTES) },
    earlier: readEarlier(fields),
    journal: wholeNumber(fields, 'journal'),
    clusterId: readClusterId(fields),
    founded: flag(fields, 'founded'),
  }
}

function readRefusal(fields: Fields): Refused {
  const reason = readReason(fields)
  const names = reason === 'version' ? [] : ['clusterId']
  onlyFields(fields, ['type', 'reason', ...names, 'proof'])
  const clusterId = reason === 'version' ? null : readClusterId(fields)
  return { type: 'refusal', reason, clusterId, proof: readProof(fields) }
}

function readClusterId(fields: Fields): string | null {
  return fields.clusterId === null ? null : hexadecimal(fields, 'clusterId', CLUSTER_ID_BYTES)
}

function readEarlier(fields: Fields): Uint8Array {
  const starts = Math.ceil(text(fields, 'earlier').length / (2 * EARLIER_START_BYTES))
  if (starts > MAX_EARLIER_STARTS) throw malformed('too many earlier starts')
  return bytes(fields, 'earlier', starts * EARLIER_START_BYTES)
}

function readReason(fields: Fields): Refusal {
  const reason = text(fields, 'reason')
  if (!REASONS.includes(reason)) throw malformed('unknown reason')
  return reason as Refusal
}

function readProof(fields: Fields): string | null {
  return fields.proof === null ? null : hexadecimal(fields, 'proof', PROOF_BYTES)
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw malformed(`${name} is not a text`)
  return value
}

/** Receivers pass it on in formats that have no room for a longer one. */
function short(fields: Fields, name: string, mostBytes: number): string {
  const value = text(fields, name)
  const size = Buffer.byteLength(value)
  if (size > mostBytes) throw malformed(`${name} has ${size} bytes, the limit is ${mostBytes}`)
  return value
}

/** Receivers dial it. */
function address(fields: Fields): string {
  const value = short(fields, 'address', MAX_ADDRESS_BYTES)
  if (value === '') return value
  try {
    peerUrl(value)
  } catch (cause) {
    throw malformed((cause as Error).message, cause)
  }
  return value
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name]
  if (typeof value !== 'boolean') throw malformed(`${name} is not a flag`)
  return value
}

function bytes(fields: Fields, name: string, byteLength: number): Uint8Array {
  return Uint8Array.from(Buffer.from(hexadecimal(fields, name, byteLength), 'hex'))
}

function wholeNumber(fields: Fields, name: string): number {
  const value = fields[name]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(`${name} is not a whole number`)
  return value as number
}

function hexadecimal(fields: Fields, name: string, byteLength: number): string {
  const value = text(fields, name)
  if (value.length !== byteLength * 2 || !/^[0-9a-f]*$/.test(value)) throw malformed(`${name} is not hexadecimal`)
  return value
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

function malformed(why: string, cause?: unknown): EpaxosError {
  return new EpaxosError('malformed', `handshake: ${why}`, { cause })
}
