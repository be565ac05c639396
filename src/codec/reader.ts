import type { Vector } from '../engine/engine.ts'
import { isFootprint } from '../engine/footprint.ts'
import type { Batch } from '../protocol/messages.ts'
import { MAX_BATCH_BYTES, MAX_FOOTPRINT_WORDS, MAX_UPPER_LANE } from './limits.ts'
import type { Shape } from './shape.ts'

const NOTHING: Vector = []
const NO_BYTES = new Uint8Array(0)
const NO_WORDS = new Uint32Array(0)
const NO_BATCH: Batch = { footprint: NO_WORDS, commands: NO_BYTES }

/** An instance that stays open for a long time holds at most this much memory besides its own batch. */
const SLAB_BYTES = 64 << 10

/**
 * Reads messages in their canonical layout (shape.ts) and checks them at the same time. A message is usable only if
 * {@link complete} is true after its last field. Otherwise the message has another layout or is malformed, and the
 * caller discards what was read: the verifier and the generated accessors find out which. Fields must be read in their
 * order. The reader never reads outside the message.
 */
export class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly replicas: number
  #start = 0
  #end = 0
  #next = 0
  #good = false

  /** `bytes` may be any view, also a Buffer, at any offset. Vectors must have `replicas` entries. */
  constructor(bytes: Uint8Array, replicas: number) {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.replicas = replicas
  }

  /**
   * Goes to the message at `[start, end)`, which must lie within the bytes. Returns true if it begins like the shape.
   */
  begin(shape: Shape, start: number, end: number): boolean {
    const { head, words } = shape
    if (end - start < 4 * words) return false
    const view = this.view
    for (let i = head.length - 1; i >= 0; i--) if (view.getUint32(start + 4 * i, true) !== head[i]) return false
    this.#start = start
    this.#end = end
    this.#next = start + 4 * words
    this.#good = true
    return true
  }

  /** Whether everything read since {@link begin} was valid, up to the last byte. */
  get complete(): boolean {
    return this.#good && this.#next === this.#end
  }

  /** Checks a rule that the reader does not know. */
  require(rule: boolean): void {
    if (!rule) this.#good = false
  }

  byte(at: number): number {
    return this.view.getUint8(this.#start + at)
  }

  flag(at: number): boolean {
    const value = this.byte(at)
    if (value > 1) this.#good = false
    return value === 1
  }

  uint32(at: number): number {
    return this.view.getUint32(this.#start + 4 * at, true)
  }

  whole(at: number): number {
    return this.#whole(this.#start + 4 * at)
  }

  row(at: number): number {
    const row = this.uint32(at)
    if (row >= this.replicas) this.#good = false
    return row
  }

  slot(at: number): number {
    const slot = this.whole(at)
    if (slot === 0) this.#good = false
    return slot
  }

  vector(at: number): Vector {
    const from = this.#vector(at, 8, this.replicas)
    if (!this.#good || this.#next - from !== 8 * this.replicas) {
      this.#good = false
      return NOTHING
    }
    const vector: number[] = []
    for (let i = 0; i < this.replicas; i++) vector.push(this.#whole(from + 8 * i))
    return vector
  }

  /** A copy, for good. */
  batch(footprintAt: number, commandsAt: number): Batch {
    const from = this.#vector(footprintAt, 4, MAX_FOOTPRINT_WORDS)
    const words = (this.#next - from) >>> 2
    const commandsFrom = this.#vector(commandsAt, 1, MAX_BATCH_BYTES)
    if (!this.#good) return NO_BATCH
    const length = this.#next - commandsFrom
    this.#next = commandsFrom + ((length + 3) & ~3)
    const to = copies.add(this.bytes.subarray(from, commandsFrom + length))
    const footprint = new Uint32Array(copies.buffer, to, words)
    if (!isFootprint(footprint)) this.#good = false
    return { footprint, commands: new Uint8Array(copies.buffer, to + commandsFrom - from, length) }
  }

  /** A copy, for good. */
  uint32s(at: number, limit: number): Uint32Array {
    const from = this.#vector(at, 4, limit)
    if (!this.#good) return NO_WORDS
    return new Uint32Array(this.bytes.slice(from, this.#next).buffer)
  }

  /** A view, valid as long as the message's bytes. */
  ubytes(at: number, limit: number): Uint8Array {
    const from = this.#vector(at, 1, limit)
    if (!this.#good) return NO_BYTES
    const view = this.bytes.subarray(from, this.#next)
    this.#next = from + ((this.#next - from + 3) & ~3)
    return view
  }

  #whole(at: number): number {
    const upper = this.view.getUint32(at + 4, true)
    if (upper >= MAX_UPPER_LANE) this.#good = false
    return upper * 0x1_0000_0000 + this.view.getUint32(at, true)
  }

  /**
   * Skips the vector that the field points at, which must be the next part of the message; returns where its elements
   * begin.
   */
  #vector(at: number, size: number, limit: number): number {
    const field = this.#start + 4 * at
    const vector = this.#next
    if (this.#good && vector + 4 <= this.#end && field + this.view.getUint32(field, true) === vector) {
      const length = this.view.getUint32(vector, true)
      this.#next = vector + 4 + length * size
      if (length <= limit && this.#next <= this.#end) return vector + 4
    }
    this.#good = false
    return vector
  }
}

/**
 * The memory of decoded batches. Small batches share a piece of memory, so that one costs two views and no allocation.
 */
class Copies {
  buffer = new ArrayBuffer(SLAB_BYTES)
  #bytes = new Uint8Array(this.buffer)
  #end = 0

  /**
   * Copies the bytes into {@link buffer}, which may then be a new one. Returns their position there, a multiple of 4.
   */
  add(bytes: Uint8Array): number {
    if (this.#end + bytes.length > this.#bytes.length) {
      this.buffer = new ArrayBuffer(Math.max(SLAB_BYTES, bytes.length))
      this.#bytes = new Uint8Array(this.buffer)
      this.#end = 0
    }
    const at = this.#end
    this.#bytes.set(bytes, at)
    this.#end = (at + bytes.length + 3) & ~3
    return at
  }
}

const copies = new Copies()
