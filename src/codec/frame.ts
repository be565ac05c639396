import { crc32 } from './crc32.ts'
import { MAX_FRAME_BYTES } from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'

/** A sealed frame begins with the CRC-32 of all that follows. */
const CRC_BYTES = 4

/** After it comes the epoch of the messages: those of one epoch mean nothing in another one. */
const SEAL_BYTES = CRC_BYTES + 4

/** What is inside a sealed frame. */
export interface Unsealed {
  /** The epoch of the members that the messages are between. */
  readonly epoch: number
  /** The frame, as a view. */
  readonly content: Uint8Array
}

/**
 * One frame made of encoded messages, `[u32 size][flatbuffer, padded to 4 bytes]*`. The parts are not changed; a single
 * part is the frame itself. Throws `too_large` beyond {@link MAX_FRAME_BYTES}; {@link frames} splits instead.
 */
export function frame(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts, 0)
}

/**
 * Like {@link frame}, but makes frames of up to `limit` bytes; a longer part gets a frame of its own. No parts give no
 * frames.
 */
export function frames(parts: readonly Uint8Array[], limit = MAX_FRAME_BYTES): Uint8Array[] {
  return grouped(parts, limit).map(frame)
}

/**
 * Like {@link frames}, but each frame is sealed: `[u32 CRC-32 of what follows][u32 epoch][frame]`. Replicas seal every
 * frame that they send to each other: a flipped bit could bind all of them for ever, and TCP's checksum misses some
 * flips.
 */
export function sealedFrames(parts: readonly Uint8Array[], epoch: number, limit = MAX_FRAME_BYTES): Uint8Array[] {
  return grouped(parts, limit).map((group) => {
    const bytes = joined(group, SEAL_BYTES)
    const view = new DataView(bytes.buffer)
    view.setUint32(CRC_BYTES, epoch, true)
    view.setUint32(0, crc32(bytes.subarray(CRC_BYTES)), true)
    return bytes
  })
}

/** What is inside a sealed frame; null if the checksum does not match. */
export function unsealed(bytes: Uint8Array): Unsealed | null {
  if (bytes.length < SEAL_BYTES || bytes.length > MAX_FRAME_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEAL_BYTES)
  if (crc32(bytes.subarray(CRC_BYTES)) !== view.getUint32(0, true)) return null
  return { epoch: view.getUint32(CRC_BYTES, true), content: bytes.subarray(SEAL_BYTES) }
}

/** The epoch that a sealed frame names, without a look at its checksum; null if it is too short to name one. */
export function epochOf(bytes: Uint8Array): number | null {
  if (bytes.length < SEAL_BYTES) return null
  return new DataView(bytes.buffer, bytes.byteOffset, SEAL_BYTES).getUint32(CRC_BYTES, true)
}

/** The parts, after `room` bytes of room. */
function joined(parts: readonly Uint8Array[], room: number): Uint8Array {
  let size = room
  for (const part of parts) size += part.length
  if (size > MAX_FRAME_BYTES) throw tooLarge('bytes of a frame', size, MAX_FRAME_BYTES)
  const bytes = new Uint8Array(size)
  let at = room
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The parts in their order, in groups of up to `limit` bytes or of one part. */
function grouped(parts: readonly Uint8Array[], limit: number): (readonly Uint8Array[])[] {
  const groups: (readonly Uint8Array[])[] = []
  let first = 0
  let size = 0
  for (const [i, part] of parts.entries()) {
    if (i > first && size + part.length > limit) {
      groups.push(parts.slice(first, i))
      first = i
      size = 0
    }
    size += part.length
  }
  if (first < parts.length) groups.push(first === 0 ? parts : parts.slice(first))
  return groups
}

/**
 * Calls `handle` with the bounds of each message in the frame. Throws `malformed` at the first message that does not
 * fit.
 */
export function eachMessage(view: DataView, handle: (start: number, end: number) => void): void {
  const length = view.byteLength
  if (length > MAX_FRAME_BYTES) throw malformed(`a frame of ${length} bytes`)
  let at = 0
  while (at < length) {
    const size = at + 4 <= length ? view.getUint32(at, true) : 0
    const end = at + 4 + size
    if (size === 0 || size % 4 !== 0 || end > length)
      throw malformed(`a message of ${size} bytes at ${at} of ${length}`)
    handle(at + 4, end)
    at = end
  }
}
