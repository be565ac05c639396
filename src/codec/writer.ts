import type { Vector } from '../engine/engine.ts'
import type { Batch } from '../protocol/messages.ts'
import { MAX_BATCH_BYTES, MAX_FOOTPRINT_WORDS, MAX_REPLICAS } from './limits.ts'
import { tooLarge } from './malformed.ts'
import type { Shape } from './shape.ts'

/** Small messages share a piece of memory, so that a message costs a view and not an allocation. */
const SLAB_BYTES = 64 << 10

/** A writer that grew beyond this for one large value frees the memory. */
const KEPT_BYTES = 1 << 20

if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) throw new Error('epaxos needs a little-endian machine')

/**
 * Writes messages in their canonical layout (shape.ts). It never writes the same memory twice until {@link copy} is
 * called: the caller of {@link view} owns that piece of memory. Positions are in 32-bit words.
 */
export class Writer {
  #words = new Uint32Array(SLAB_BYTES >>> 2)
  #bytes = new Uint8Array(this.#words.buffer)
  #from = 0
  #start = 0
  #end = 0

  /** Makes room for `words` more words; moves what was written since the last piece if necessary. */
  reserve(words: number): void {
    if (this.#end + words <= this.#words.length) return
    const unfinished = this.#words.subarray(this.#from, this.#end)
    const larger = new Uint32Array(Math.max(SLAB_BYTES >>> 2, 2 * unfinished.length + words))
    larger.set(unfinished)
    this.#words = larger
    this.#bytes = new Uint8Array(larger.buffer)
    this.#start -= this.#from
    this.#end -= this.#from
    this.#from = 0
  }

  /** Forgets what was written since the last piece: a message that could not be finished. */
  clear(): void {
    this.#end = this.#from
  }

  /** Words written since the last piece. */
  get length(): number {
    return this.#end - this.#from
  }

  /** Appends one word. */
  word(value: number): void {
    this.#words[this.#end++] = value
  }

  /** Overwrites a word; positions count from the first word since the last piece. */
  patch(at: number, value: number): void {
    this.#words[this.#from + at] = value
  }

  /** Appends a finished flatbuffer. Its size is a multiple of 4. */
  append(flatbuffer: Uint8Array): void {
    this.#bytes.set(flatbuffer, 4 * this.#end)
    this.#end += flatbuffer.length >>> 2
  }

  /** The bytes written from word `at` on (positions as in {@link patch}): a view, valid until the next call. */
  since(at: number): Uint8Array {
    return this.#bytes.subarray(4 * (this.#from + at), 4 * this.#end)
  }

  /** Begins the next message: writes its constant part; its fields follow. */
  begin(shape: Shape): void {
    const { head, words } = shape
    const to = this.#words
    const start = this.#end
    for (let i = 0; i < head.length; i++) to[start + i] = head[i] as number
    this.#start = start
    this.#end = start + words
    to[this.#end - 1] = 0
  }

  byte(at: number, value: number): void {
    this.#bytes[4 * this.#start + at] = value
  }

  uint32(at: number, value: number): void {
    this.#words[this.#start + at] = value
  }

  /** A whole number below 2⁵³. */
  whole(at: number, value: number): void {
    putWhole(this.#words, this.#start + at, value)
  }

  /** The struct `Instance`. */
  instance(at: number, id: { readonly epoch: number; readonly row: number; readonly slot: number }): void {
    const words = this.#words
    const to = this.#start + at
    words[to] = id.epoch
    words[to + 1] = id.row
    putWhole(words, to + 2, id.slot)
  }

  vector(at: number, vector: Vector): void {
    const words = this.#words
    let to = this.#offset(at)
    words[to++] = vector.length
    for (let i = 0; i < vector.length; i++, to += 2) putWhole(words, to, vector[i] as number)
    this.#end = to
  }

  uint32s(at: number, values: Uint32Array): void {
    const words = this.#words
    const to = this.#offset(at)
    words[to] = values.length
    if (values.length <= 32) for (let i = 0; i < values.length; i++) words[to + 1 + i] = values[i] as number
    else words.set(values, to + 1)
    this.#end = to + 1 + values.length
  }

  ubytes(at: number, values: Uint8Array): void {
    const to = this.#offset(at)
    const end = to + 1 + ((values.length + 3) >>> 2)
    this.#words[end - 1] = 0
    this.#words[to] = values.length
    this.#bytes.set(values, 4 * to + 4)
    this.#end = end
  }

  /** The piece of memory written since the last piece; nothing writes there again. */
  view(): Uint8Array {
    const piece = new Uint8Array(this.#bytes.buffer, 4 * this.#from, 4 * (this.#end - this.#from))
    this.#from = this.#end
    return piece
  }

  /** A copy of the piece; its memory is used again. */
  copy(): Uint8Array {
    const piece = this.#bytes.slice(4 * this.#from, 4 * this.#end)
    this.#end = this.#from
    if (this.#bytes.length > KEPT_BYTES) {
      this.#words = new Uint32Array(SLAB_BYTES >>> 2)
      this.#bytes = new Uint8Array(this.#words.buffer)
      this.#from = 0
      this.#end = 0
    }
    return piece
  }

  /** Points the field at what is written next. */
  #offset(at: number): number {
    const field = this.#start + at
    this.#words[field] = 4 * (this.#end - field)
    return this.#end
  }
}

function putWhole(words: Uint32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = value < 0x1_0000_0000 ? 0 : value / 0x1_0000_0000
}

/** The number of words of a dependency vector. */
export function vectorWords(vector: Vector): number {
  if (vector.length > MAX_REPLICAS) throw tooLarge('replicas', vector.length, MAX_REPLICAS)
  return 1 + 2 * vector.length
}

/** The number of words of a batch. Throws `too_large` for a batch beyond the limits. */
export function batchWords({ footprint, commands }: Batch): number {
  if (footprint.length > MAX_FOOTPRINT_WORDS) throw tooLarge('footprint words', footprint.length, MAX_FOOTPRINT_WORDS)
  if (commands.length > MAX_BATCH_BYTES) throw tooLarge('bytes of a batch', commands.length, MAX_BATCH_BYTES)
  return 2 + footprint.length + ((commands.length + 3) >>> 2)
}
