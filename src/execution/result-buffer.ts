import { copyBytes, writeU32 } from './bytes.ts'

/** The result of a command without a result. */
export const NOTHING = new Uint8Array(0)

/** The room of a result that nobody gets. */
export const NOT_WANTED = -1

const encoder = new TextEncoder()

/**
 * Where a state machine writes the result of a command, piece by piece. Whoever passes it says how long a result it
 * takes, by {@link begin}. What a machine writes beyond that is dropped, so a machine need not look; one with expensive
 * results looks at {@link room} first.
 */
export class ResultBuffer {
  #bytes = new Uint8Array(256)
  #start = 0
  #end = 0
  /** Where the result must end; -1 when it does not fit. */
  #limit = -1

  /** How long the result may become, in bytes; {@link NOT_WANTED} if nobody gets it, or if it was dropped. */
  get room(): number {
    return this.#limit < 0 ? NOT_WANTED : this.#limit - this.#end
  }

  /** Bytes of the result so far. */
  get length(): number {
    return this.#end - this.#start
  }

  u8(value: number): void {
    if (!this.#reserve(1)) return
    this.#bytes[this.#end++] = value
  }

  /** Little-endian. */
  u32(value: number): void {
    if (!this.#reserve(4)) return
    writeU32(this.#bytes, this.#end, value)
    this.#end += 4
  }

  /** `source[start, end)`. */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    if (!this.#reserve(end - start)) return
    copyBytes(source, start, end, this.#bytes, this.#end)
    this.#end += end - start
  }

  /** In UTF-8. */
  text(text: string): void {
    this.bytes(encoder.encode(text))
  }

  /** Replaces the `u32` that was written when {@link length} was `at`. */
  patchU32(at: number, value: number): void {
    if (this.#limit >= 0) writeU32(this.#bytes, this.#start + at, value)
  }

  /** The result does not fit into the room, or is too expensive to make for nobody: what was written is dropped. */
  drop(): void {
    this.#limit = -1
    this.#end = this.#start
  }

  // What follows is for the caller of the machine.

  /** A result of at most `room` bytes begins, behind those that were written since {@link clear}. */
  begin(room = Number.POSITIVE_INFINITY): void {
    this.#start = this.#end
    this.#limit = room < 0 ? -1 : this.#end + room
  }

  /** Whether the result is here as a whole. */
  get whole(): boolean {
    return this.#limit >= 0
  }

  /** All results since {@link clear}: they begin at 0 and end at {@link end}. Valid until more is written. */
  get all(): Uint8Array {
    return this.#bytes
  }

  get end(): number {
    return this.#end
  }

  /** Forgets everything behind `end`, and keeps a buffer of at most `capacity` bytes. */
  clear(end = 0, capacity = Number.POSITIVE_INFINITY): void {
    this.#start = this.#end = end
    this.#limit = -1
    if (this.#bytes.length > capacity) this.#bytes = this.#bytes.slice(0, end)
  }

  /** The present result in an array of its own, or a shared one: nobody may change it. */
  copy(): Uint8Array {
    if (this.length > 1) return this.#bytes.slice(this.#start, this.#end)
    return this.length === 0 ? NOTHING : (ONE_BYTE[this.#bytes[this.#start] as number] as Uint8Array)
  }

  /** Makes room for `size` more bytes; false if the result becomes too long. */
  #reserve(size: number): boolean {
    const end = this.#end + size
    if (end > this.#limit) {
      this.drop()
      return false
    }
    if (end > this.#bytes.length) this.#grow(end)
    return true
  }

  #grow(least: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, least))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }
}

/** The same result; a shared array if it has one byte, because sessions keep very many of them. */
export function shared(result: Uint8Array): Uint8Array {
  return result.length === 1 ? (ONE_BYTE[result[0] as number] as Uint8Array) : result
}

const ONE_BYTE: readonly Uint8Array[] = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
