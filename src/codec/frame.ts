import { crc32 } from './crc32.ts'
import { MAX_FRAME_BYTES } from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'

/** A sealed frame begins with the CRC-32 of all that follows. */
const SEAL_BYTES = 4

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
 * Like {@link frames}, but each frame is sealed: `[u32 CRC-32 of what follows][frame]`. Replicas seal every frame that
 * they send to each other: a flipped bit could bind all of them for ever, and TCP's checksum misses some flips.
 */
export function sealedFrames(parts: readonly Uint8Array[], limit = MAX_FRAME_BYTES): Uint8Array[] {
  return grouped(parts, limit).map((group) => {
    const bytes = joined(group, SEAL_BYTES)
    new DataView(bytes.buffer).setUint32(0, crc32(bytes.subarray(SEAL_BYTES)), true)
    return bytes
  })
}

/** The frame inside a sealed one, as a view; null if the checksum does not match. */
export function unsealed(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < SEAL_BYTES || bytes.length > MAX_FRAME_BYTES) return null
  const seal = new DataView(bytes.buffer, bytes.byteOffset, SEAL_BYTES).getUint32(0, true)
  const content = bytes.subarray(SEAL_BYTES)
  return crc32(content) === seal ? content : null
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
