import {
  asciiOf,
  buildHandshake,
  buildRefusal,
  buildRequest,
  readGenerated,
  textOf,
  UNKNOWN_AGE,
} from './client-generated.ts'
import {
  type Challenge,
  type ClientMessage,
  ClientMessageType,
  CONSISTENCIES,
  type Consistency,
  type FromClient,
  type FromServer,
  type Hello,
  type Request,
  type Response,
  ResponseOutcome,
  type Welcome,
} from './client-messages.ts'
import { eachMessage } from './frame.ts'
import { clientLayout } from './generated/client/layout.ts'
import { MAX_GROUP_BYTES, MAX_RESULTS_BYTES, MAX_TOKEN_BYTES } from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'
import { Reader } from './reader.ts'
import { shape } from './shape.ts'
import { verify } from './verify.ts'
import { Writer } from './writer.ts'

export * from './client-messages.ts'

const REQUEST = shape(clientLayout, ClientMessageType.request, ['id', 'group', 'consistency', 'tokens'])
const RESPONSE = shape(clientLayout, ClientMessageType.response, ['id', 'results', 'outcome'])
const RESPONSE_WITH_TOKEN = shape(clientLayout, ClientMessageType.response, [
  'id',
  'results',
  'token',
  'age_ms',
  'outcome',
])

/** Where the type of the union is in the canonical layout, in bytes from the start of the message. */
const TYPE_AT = 24
const NO_BYTES = new Uint8Array(0)

const writer = new Writer()

/** The message with its size in front, ready for {@link frame}; the caller owns the bytes. */
export function encodeChallenge(challenge: Omit<Challenge, 'type'>): Uint8Array {
  return buildHandshake({ type: ClientMessageType.challenge, ...challenge })
}

/** Like {@link encodeChallenge}. */
export function encodeHello(hello: Omit<Hello, 'type' | 'clusterId'> & { readonly clusterId?: string }): Uint8Array {
  return buildHandshake({ type: ClientMessageType.hello, clusterId: '', ...hello })
}

/** Like {@link encodeChallenge}. */
export function encodeWelcome(welcome: Omit<Welcome, 'type'>): Uint8Array {
  return buildHandshake({ type: ClientMessageType.welcome, ...welcome })
}

/** How a request is to be answered; by default through the log, without a token. */
export type Asked = Partial<Pick<Request, 'consistency' | 'min' | 'tokens'>>

/** Like {@link encodeChallenge}. Throws `too_large` for a group or a token beyond the limit. */
export function encodeRequest(id: number, group: Uint8Array, asked: Asked = {}): Uint8Array {
  if (group.length > MAX_GROUP_BYTES) throw tooLarge('bytes of a request', group.length, MAX_GROUP_BYTES)
  const { consistency = 'log', min = '', tokens = false } = asked
  if (min !== '') return buildRequest({ type: ClientMessageType.request, id, group, consistency, min, tokens })
  const { at, words } = REQUEST
  begin(words + 2 + (group.length >>> 2))
  writer.begin(REQUEST)
  writer.uint32(at.id, id)
  writer.byte(at.consistency, CONSISTENCIES.indexOf(consistency))
  writer.byte(at.tokens, tokens ? 1 : 0)
  writer.ubytes(at.group, group)
  return finished()
}

/**
 * The answer to a request that was done; like {@link encodeChallenge}. Throws `too_large` for results beyond the limit.
 * @param token ASCII; empty for none
 */
export function encodeDone(id: number, results: Uint8Array, token = '', ageMs: number | null = null): Uint8Array {
  if (results.length > MAX_RESULTS_BYTES) throw tooLarge('bytes of results', results.length, MAX_RESULTS_BYTES)
  if (token !== '' || ageMs !== null) return encodeDoneWithToken(id, results, token, ageMs)
  const { at, words } = RESPONSE
  begin(words + 2 + (results.length >>> 2))
  writer.begin(RESPONSE)
  writer.uint32(at.id, id)
  writer.byte(at.outcome, ResponseOutcome.done)
  writer.ubytes(at.results, results)
  return finished()
}

function encodeDoneWithToken(id: number, results: Uint8Array, token: string, ageMs: number | null): Uint8Array {
  const bytes = asciiOf(token)
  const { at, words } = RESPONSE_WITH_TOKEN
  begin(words + 4 + (results.length >>> 2) + (bytes.length >>> 2))
  writer.begin(RESPONSE_WITH_TOKEN)
  writer.uint32(at.id, id)
  writer.uint32(at.age_ms, ageMs === null ? UNKNOWN_AGE : Math.min(Math.ceil(ageMs), UNKNOWN_AGE - 1))
  writer.byte(at.outcome, ResponseOutcome.done)
  writer.ubytes(at.results, results)
  writer.ubytes(at.token, bytes)
  return finished()
}

/**
 * The answer to a request that was not done or may be done, with a code of errors.ts; a long message is cut. Like
 * {@link encodeChallenge}.
 */
export function encodeNotDone(id: number, outcome: 'refused' | 'unknown', code: string, message: string): Uint8Array {
  return buildRefusal({
    type: ClientMessageType.response,
    id,
    outcome: ResponseOutcome[outcome],
    code,
    message,
    results: NO_BYTES,
    token: '',
    ageMs: null,
  })
}

/**
 * Calls `handle` with each message of a client's frame, in order. Throws `malformed` at the first message that clients
 * do not send; `group` is a view.
 */
export function decodeFromClient(bytes: Uint8Array, handle: (message: FromClient) => void): void {
  decodeClientFrame(bytes, (message) => {
    if (message.type !== ClientMessageType.request && message.type !== ClientMessageType.hello) {
      throw malformed('clients send Hello and Request')
    }
    handle(message)
  })
}

/**
 * Calls `handle` with each message of a server's frame, in order. Throws `malformed` at the first message that servers
 * do not send; `results` is a view.
 */
export function decodeFromServer(bytes: Uint8Array, handle: (message: FromServer) => void): void {
  decodeClientFrame(bytes, (message) => {
    if (message.type === ClientMessageType.request || message.type === ClientMessageType.hello) {
      throw malformed('servers send Challenge, Welcome and Response')
    }
    handle(message)
  })
}

function decodeClientFrame(bytes: Uint8Array, handle: (message: ClientMessage) => void): void {
  const reader = new Reader(bytes, 0)
  eachMessage(reader.view, (start, end) => {
    const direct = readDirect(reader, start, end)
    if (direct !== null) return handle(direct)
    verify(reader.view, start, end, clientLayout)
    handle(readGenerated(reader.bytes.subarray(start, end)))
  })
}

function readDirect(from: Reader, start: number, end: number): Request | Response | null {
  if (end - start <= TYPE_AT) return null
  const type = from.view.getUint8(start + TYPE_AT)
  if (type === ClientMessageType.request) return readRequest(from, start, end)
  if (type === ClientMessageType.response) return readDone(from, start, end)
  return null
}

function readRequest(from: Reader, start: number, end: number): Request | null {
  const { at } = REQUEST
  if (!from.begin(REQUEST, start, end)) return null
  const message: Request = {
    type: ClientMessageType.request,
    id: from.uint32(at.id),
    group: from.ubytes(at.group, MAX_GROUP_BYTES),
    consistency: CONSISTENCIES[from.byte(at.consistency)] as Consistency,
    min: '',
    tokens: from.flag(at.tokens),
  }
  from.require(message.consistency !== undefined)
  return from.complete ? message : null
}

function readDone(from: Reader, start: number, end: number): Response | null {
  const isBare = from.begin(RESPONSE, start, end)
  if (!isBare && !from.begin(RESPONSE_WITH_TOKEN, start, end)) return null
  const { at } = isBare ? RESPONSE : RESPONSE_WITH_TOKEN
  from.require(from.byte(at.outcome) === ResponseOutcome.done)
  const ageMs = isBare ? UNKNOWN_AGE : from.uint32(RESPONSE_WITH_TOKEN.at.age_ms)
  const message: Response = {
    type: ClientMessageType.response,
    id: from.uint32(at.id),
    outcome: ResponseOutcome.done,
    code: '',
    message: '',
    results: from.ubytes(at.results, MAX_RESULTS_BYTES),
    token: isBare ? '' : textOf(from.ubytes(RESPONSE_WITH_TOKEN.at.token, MAX_TOKEN_BYTES)),
    ageMs: ageMs === UNKNOWN_AGE ? null : ageMs,
  }
  return from.complete ? message : null
}

/** Reserves the word for the size, which {@link finished} fills in, and `words` more. */
function begin(words: number): void {
  writer.clear()
  writer.reserve(1 + words)
  writer.word(0)
}

function finished(): Uint8Array {
  writer.patch(0, 4 * (writer.length - 1))
  return writer.view()
}
