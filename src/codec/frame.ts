import { MAX_FRAME_BYTES } from './limits.ts'
import { malformed, tooLarge } from './malformed.ts'

/**
 * One frame made of encoded messages, `[u32 size][flatbuffer, padded to 4 bytes]*`. The parts are not changed; a single
 * part is the frame itself. Throws `too_large` beyond {@link MAX_FRAME_BYTES}; {@link frames} splits instead.
 */
export function frame(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  let size = 0
  for (const part of parts) size += part.length
  if (size > MAX_FRAME_BYTES) throw tooLarge('bytes of a frame', size, MAX_FRAME_BYTES)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/**
 * Like {@link frame}, but makes frames of up to `limit` bytes; a longer part gets a frame of its own. No parts give no
 * frames.
 */
export function frames(parts: readonly Uint8Array[], limit = MAX_FRAME_BYTES): Uint8Array[] {
  const result: Uint8Array[] = []
  let first = 0
  let size = 0
  for (const [i, part] of parts.entries()) {
    if (i > first && size + part.length > limit) {
      result.push(frame(parts.slice(first, i)))
      first = i
      size = 0
    }
    size += part.length
  }
  if (first < parts.length) result.push(frame(first === 0 ? parts : parts.slice(first)))
  return result
}

/**
 * Calls `handle` with the start and end of each message in the frame. Throws `malformed` at the first that does not
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
