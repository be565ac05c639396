import { EpaxosError, ErrorCode } from '../errors.ts'
import { INCARNATION_BYTES, type Member, type Membership, membership } from './membership.ts'

/** An address `HOST:PORT`, in bytes of UTF-8. */
export const MAX_ADDRESS_BYTES = 262

const HEADER_BYTES = 16
const ID_BYTES = 4
const MEMBER_BYTES = 4 + INCARNATION_BYTES + 2

/** In the place of an incarnation that is not known: no directory has it. */
const NOBODY = new Uint8Array(INCARNATION_BYTES)

const writeText = new TextEncoder()
const readText = new TextDecoder('utf-8', { fatal: true })

/**
 * The bytes of a membership, the same everywhere: in a Reconfigure, in checkpoints and in the answer `Closed`.
 * Little-endian, no padding:
 *
 * ```
 * u32 epoch · u32 next id · u32 members · u32 that may return, then per member in the order of rows:
 *   u32 id · 16 bytes of its incarnation, zeros for none · u16 bytes of its address · the address in UTF-8
 * then u32 id for each that may return
 * ```
 *
 * Throws an `EpaxosError` with code `too_large` for an address of more than {@link MAX_ADDRESS_BYTES}. The sizes of the
 * quorums follow from the number of members.
 */
export function encodeMembership({ epoch, nextId, members, mayReturn }: Membership): Uint8Array {
  const addresses = members.map(({ address }) => addressBytes(address))
  const idsAt = addresses.reduce((sum, address) => sum + MEMBER_BYTES + address.length, HEADER_BYTES)
  const bytes = new Uint8Array(idsAt + ID_BYTES * mayReturn.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, epoch, true)
  view.setUint32(4, nextId, true)
  view.setUint32(8, members.length, true)
  view.setUint32(12, mayReturn.length, true)
  let at = HEADER_BYTES
  for (const [row, { id, incarnation }] of members.entries()) {
    const address = addresses[row] as Uint8Array
    view.setUint32(at, id, true)
    bytes.set(incarnation ?? NOBODY, at + 4)
    view.setUint16(at + 4 + INCARNATION_BYTES, address.length, true)
    bytes.set(address, at + MEMBER_BYTES)
    at += MEMBER_BYTES + address.length
  }
  for (const [i, id] of mayReturn.entries()) view.setUint32(idsAt + ID_BYTES * i, id, true)
  return bytes
}

/** Throws an `EpaxosError` with code `malformed` for bytes that {@link encodeMembership} does not give. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  need(bytes.length >= HEADER_BYTES, 'its header')
  const count = view.getUint32(8, true)
  const members: Member[] = []
  let at = HEADER_BYTES
  for (let row = 0; row < count; row++) {
    need(at + MEMBER_BYTES <= bytes.length, `member ${row}`)
    const length = view.getUint16(at + 4 + INCARNATION_BYTES, true)
    const end = at + MEMBER_BYTES + length
    need(length <= MAX_ADDRESS_BYTES && end <= bytes.length, `the address of member ${row}`)
    const incarnation = bytes.slice(at + 4, at + 4 + INCARNATION_BYTES)
    members.push({
      id: view.getUint32(at, true),
      address: addressOf(bytes.subarray(at + MEMBER_BYTES, end), row),
      incarnation: incarnation.every((byte) => byte === 0) ? null : incarnation,
    })
    at = end
  }
  need(at + ID_BYTES * view.getUint32(12, true) === bytes.length, 'its size')
  const mayReturn: number[] = []
  for (; at < bytes.length; at += ID_BYTES) mayReturn.push(view.getUint32(at, true))
  try {
    return membership(view.getUint32(0, true), members, { nextId: view.getUint32(4, true), mayReturn })
  } catch (cause) {
    throw malformed((cause as Error).message, cause)
  }
}

function addressBytes(address: string): Uint8Array {
  const bytes = writeText.encode(address)
  if (bytes.length <= MAX_ADDRESS_BYTES) return bytes
  throw new EpaxosError(ErrorCode.tooLarge, `an address of ${bytes.length} bytes`)
}

function addressOf(bytes: Uint8Array, row: number): string {
  try {
    return readText.decode(bytes)
  } catch (cause) {
    throw malformed(`the address of member ${row}`, cause)
  }
}

function need(condition: boolean, what: string): asserts condition {
  if (!condition) throw malformed(what)
}

function malformed(what: string, cause?: unknown): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, `not a membership: ${what}`, { cause })
}

/** Like {@link decodeMembership}; null for bytes that it refuses. */
export function membershipIn(bytes: Uint8Array): Membership | null {
  try {
    return decodeMembership(bytes)
  } catch (error) {
    if (error instanceof EpaxosError) return null
    throw error
  }
}
