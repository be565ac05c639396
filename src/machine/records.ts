import { copyBytes } from '../execution/bytes.ts'
import { Slab, unitsOf } from './slab.ts'

// The words at the beginning of a record; the key and the value follow them.
/** The length of the key, whether the record is free, and its generation. */
const HEAD = 0
const VALUE_LENGTH = 1
/** What the record adds to the hash of the whole table, two lanes. */
const SHARE_LO = 2
const SHARE_HI = 3
const HEADER_BYTES = 16

// The parts of the head.
const KEY_LENGTH_MASK = 0x7ff
const FREE = 0x800
const GENERATION_SHIFT = 12
const GENERATION_MASK = 0xfffff

/**
 * The records of a table: each holds a key, its value, and what belongs to them. A record is named by its handle in the
 * slab; its bytes stay where they are until it is freed.
 *
 * A record has a generation, which images use (table-image.ts): the number of the last image that has it, or that was
 * begun before the record was made.
 */
export class Records {
  readonly #slab = new Slab()

  /** A new record: the key is copied, and there is room for the value. */
  make(key: Uint8Array, start: number, end: number, valueLength: number, generation: number): number {
    const record = this.#slab.allocate(HEADER_BYTES + end - start + valueLength)
    const words = this.#slab.words(record)
    const at = this.#slab.offset(record)
    words[(at >> 2) + HEAD] = (end - start) | (generation << GENERATION_SHIFT)
    words[(at >> 2) + VALUE_LENGTH] = valueLength
    copyBytes(key, start, end, this.#slab.bytes(record), at + HEADER_BYTES)
    return record
  }

  free(record: number): void {
    this.#setWord(record, HEAD, this.#word(record, HEAD) | FREE)
    this.#slab.free(record, this.#sizeOf(record))
  }

  /** Makes room for a value of another length, if the record has it; returns whether it has. */
  resize(record: number, valueLength: number): boolean {
    const size = HEADER_BYTES + this.keyLength(record) + valueLength
    if (!this.#slab.fits(size, this.#sizeOf(record))) return false
    this.#setWord(record, VALUE_LENGTH, valueLength)
    return true
  }

  /** Loads the heads of records; see {@link Table.loadAhead}. */
  touch(records: Int32Array, count: number): number {
    return this.#slab.touch(records, count)
  }

  keyLength(record: number): number {
    return this.#word(record, HEAD) & KEY_LENGTH_MASK
  }

  /** The array that holds the key and the value, among others. */
  bytes(record: number): Uint8Array {
    return this.#slab.bytes(record)
  }

  keyStart(record: number): number {
    return this.#slab.offset(record) + HEADER_BYTES
  }

  /** Where the key ends and the value begins. */
  valueStart(record: number): number {
    return this.keyStart(record) + this.keyLength(record)
  }

  valueEnd(record: number): number {
    return this.valueStart(record) + this.#word(record, VALUE_LENGTH)
  }

  shareLo(record: number): number {
    return this.#word(record, SHARE_LO)
  }

  shareHi(record: number): number {
    return this.#word(record, SHARE_HI)
  }

  setShare(record: number, lo: number, hi: number): void {
    const words = this.#slab.words(record)
    const at = this.#slab.offset(record) >> 2
    words[at + SHARE_LO] = lo
    words[at + SHARE_HI] = hi
  }

  generation(record: number): number {
    return this.#word(record, HEAD) >>> GENERATION_SHIFT
  }

  setGeneration(record: number, generation: number): void {
    const head = this.#word(record, HEAD) & ~(GENERATION_MASK << GENERATION_SHIFT)
    this.#setWord(record, HEAD, head | (generation << GENERATION_SHIFT))
  }

  /**
   * All places in the order of memory, used or free, as far as there were any when the walk began: the record that is
   * there, or -1. Records may be made, changed and freed between two steps.
   */
  *places(): Iterable<number> {
    const slab = this.#slab
    const { pages, alone } = slab
    for (let page = 0; page < pages; page++) {
      for (let record = slab.firstIn(page); record < slab.endOf(page); record += unitsOf(this.#sizeOf(record))) {
        yield (this.#word(record, HEAD) & FREE) === 0 ? record : -1
      }
    }
    for (let i = 0; i < alone; i++) yield slab.aloneAt(i)
  }

  #sizeOf(record: number): number {
    return HEADER_BYTES + this.keyLength(record) + this.#word(record, VALUE_LENGTH)
  }

  #word(record: number, word: number): number {
    return this.#slab.words(record)[(this.#slab.offset(record) >> 2) + word] as number
  }

  #setWord(record: number, word: number, value: number): void {
    this.#slab.words(record)[(this.#slab.offset(record) >> 2) + word] = value
  }
}

/** Generations are numbers below this: the next one after the last is 0. */
export const GENERATIONS = GENERATION_MASK + 1
