import { EpaxosError, ErrorCode } from '../errors.ts'
import { copyBytes, readU32, readU64, writeU32, writeU64 } from './bytes.ts'

/** Bytes of a chunk of a snapshot; the last chunk is shorter, and a chunk with a large value is longer. */
const CHUNK_BYTES = 64 << 10

/** Gathers a snapshot into chunks. */
export class ChunkWriter {
  #bytes = new Uint8Array(CHUNK_BYTES)
  #length = 0

  /** Whether enough was gathered for {@link take}. */
  get full(): boolean {
    return this.#length >= CHUNK_BYTES
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u32(value: number): void {
    this.#reserve(4)
    writeU32(this.#bytes, this.#length, value)
    this.#length += 4
  }

  u64(value: number): void {
    this.#reserve(8)
    writeU64(this.#bytes, this.#length, value)
    this.#length += 8
  }

  bytes(source: Uint8Array, start = 0, end = source.length): void {
    this.#reserve(end - start)
    copyBytes(source, start, end, this.#bytes, this.#length)
    this.#length += end - start
  }

  /** What was gathered since the last call, as a copy. */
  take(): Uint8Array {
    const chunk = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return chunk
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** The same bytes in chunks that are not small, however small those are that a machine gives. They are copies. */
export function* gathered(chunks: Iterable<Uint8Array>): Iterable<Uint8Array> {
  const out = new ChunkWriter()
  for (const chunk of chunks) {
    out.bytes(chunk)
    if (out.full) yield out.take()
  }
  if (out.length > 0) yield out.take()
}

/**
 * Reads a snapshot, wherever its chunks were cut. Throws an {@link EpaxosError} with code `damaged` if it ends too
 * early.
 */
export class ChunkReader {
  readonly #chunks: Iterator<Uint8Array>
  #chunk = new Uint8Array(0)
  #at = 0

  constructor(chunks: Iterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.iterator]()
  }

  u8(): number {
    return this.bytes(1)[0] as number
  }

  u32(): number {
    return readU32(this.bytes(4), 0)
  }

  u64(): number {
    return readU64(this.bytes(8), 0)
  }

  /** The next `size` bytes, in an array of their own. */
  bytes(size: number): Uint8Array {
    if (this.#at + size <= this.#chunk.length) {
      this.#at += size
      return this.#chunk.slice(this.#at - size, this.#at)
    }
    return this.#across(size)
  }

  /** Throws unless everything was read. */
  end(): void {
    while (this.#at === this.#chunk.length) if (!this.#next()) return
    throw new EpaxosError(ErrorCode.damaged, 'a snapshot is longer than it should be')
  }

  /** Gathers piece by piece, so that a damaged length allocates no more than exists. */
  #across(size: number): Uint8Array {
    const pieces: Uint8Array[] = []
    let gathered = 0
    while (gathered < size) {
      if (this.#at === this.#chunk.length && !this.#next()) {
        throw new EpaxosError(ErrorCode.damaged, 'a snapshot ends too early')
      }
      const piece = this.#chunk.subarray(this.#at, Math.min(this.#chunk.length, this.#at + size - gathered))
      this.#at += piece.length
      gathered += piece.length
      pieces.push(piece)
    }
    const joined = new Uint8Array(size)
    let at = 0
    for (const piece of pieces) {
      joined.set(piece, at)
      at += piece.length
    }
    return joined
  }

  #next(): boolean {
    const next = this.#chunks.next()
    if (next.done) return false
    this.#chunk = next.value as Uint8Array<ArrayBuffer>
    this.#at = 0
    return true
  }
}

/** A 64-bit hash, as two lanes of 32 bits: for comparing states, not a protection against forgery. */
export interface Lanes {
  readonly lo: number
  readonly hi: number
}

/** The hash of all bytes, wherever the chunks were cut. */
export function lanesOf(chunks: Iterable<Uint8Array>): Lanes {
  let lo = 0x811c9dc5
  let hi = 0x9e3779b1
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++) {
      lo = Math.imul(lo ^ (chunk[i] as number), 0x01000193)
      hi = Math.imul(hi ^ lo, 0x85ebca6b) ^ (hi >>> 15)
    }
  }
  return { lo, hi }
}

/** Like {@link lanesOf}, in 16 hex digits. */
export function hashChunks(chunks: Iterable<Uint8Array>): string {
  const { lo, hi } = lanesOf(chunks)
  return hex(hi) + hex(lo)
}

/** A 32-bit lane of a hash as 8 hex digits. */
export function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, '0')
}
