import { assert } from '../protocol/assert.ts'

const UNIT_BITS = 4
const PAGE_BITS = 20
const UNITS_PER_PAGE = 1 << (PAGE_BITS - UNIT_BITS)
/** Records of up to this many units share pages; a larger record has an array of its own. */
const MAX_SHARED_UNITS = 256
/** The bit in the handle of a record that has an array of its own. */
const ALONE = 0x4000_0000
const MAX_PAGES = ALONE / UNITS_PER_PAGE

/**
 * Memory for records, in pages: a million small records are a few arrays, not a million objects for the garbage
 * collector. Space is allocated in units of 16 bytes and reused by records with the same number of units. A record is
 * bytes; its beginning can also be read as words.
 *
 * A handle is a number from 0 to 2³¹−2: the first unit of the record, counted over all pages; or {@link ALONE} and a
 * number. Records never move, and the place of a record keeps its number of units, used or free: so whoever can tell
 * the size of each place from its contents can walk over all of them ({@link pages}, {@link firstIn}, {@link endOf}).
 * The few units at the end of a page, where the next record did not fit, are lost.
 */
export class Slab {
  readonly #pages: Uint8Array[] = []
  readonly #wordPages: Int32Array[] = []
  /** Of each page, the units that were ever used. */
  readonly #used: number[] = []
  /** Freed handles, by number of units. */
  readonly #free: number[][] = Array.from({ length: MAX_SHARED_UNITS + 1 }, () => [])
  readonly #alone: (Uint8Array | null)[] = []
  readonly #freeAlone: number[] = []

  /** Room for `size` bytes, at least 4; the contents are undefined. */
  allocate(size: number): number {
    const units = unitsOf(size)
    if (units > MAX_SHARED_UNITS) return this.#allocateAlone(units)
    return this.#free[units]?.pop() ?? this.#allocateShared(units)
  }

  /** `size` as it was allocated, or another size for which {@link fits} is true. */
  free(handle: number, size: number): void {
    if (handle >= ALONE) {
      this.#alone[handle ^ ALONE] = null
      this.#freeAlone.push(handle)
    } else {
      this.#free[unitsOf(size)]?.push(handle)
    }
  }

  /** Whether a record of `size` bytes may replace one of `present` bytes. */
  fits(size: number, present: number): boolean {
    return unitsOf(size) === unitsOf(present)
  }

  /** The array that holds the record, from {@link offset} on. */
  bytes(handle: number): Uint8Array {
    if (handle >= ALONE) return this.#alone[handle ^ ALONE] as Uint8Array
    return this.#pages[handle >>> (PAGE_BITS - UNIT_BITS)] as Uint8Array
  }

  offset(handle: number): number {
    return handle >= ALONE ? 0 : (handle & (UNITS_PER_PAGE - 1)) << UNIT_BITS
  }

  /** The array that holds the record as 32-bit words, from a quarter of {@link offset} on. */
  words(handle: number): Int32Array {
    if (handle >= ALONE) return new Int32Array((this.#alone[handle ^ ALONE] as Uint8Array).buffer)
    return this.#wordPages[handle >>> (PAGE_BITS - UNIT_BITS)] as Int32Array
  }

  /** Loads the first words of records that share pages; see {@link Table.loadAhead}. The result has no meaning. */
  touch(handles: Int32Array, count: number): number {
    const pages = this.#wordPages
    let sink = 0
    for (let i = 0; i < count; i++) {
      const handle = handles[i] as number
      if (handle >= ALONE) continue
      const words = pages[handle >>> (PAGE_BITS - UNIT_BITS)] as Int32Array
      sink ^= words[(handle & (UNITS_PER_PAGE - 1)) << (UNIT_BITS - 2)] as number
    }
    return sink
  }

  get pages(): number {
    return this.#pages.length
  }

  /** The handle of the first place in a page; that of the next place is as much larger as the place has units. */
  firstIn(page: number): number {
    return page * UNITS_PER_PAGE
  }

  /** The end of the places in a page. */
  endOf(page: number): number {
    return page * UNITS_PER_PAGE + (this.#used[page] as number)
  }

  /** How many handles of records with an array of their own there are, used or free. */
  get alone(): number {
    return this.#alone.length
  }

  /** Their i-th handle; -1 if it is free. */
  aloneAt(i: number): number {
    return this.#alone[i] === null ? -1 : i | ALONE
  }

  #allocateShared(units: number): number {
    const page = this.#pages.length - 1
    const used = this.#used[page] ?? UNITS_PER_PAGE
    if (used + units > UNITS_PER_PAGE) {
      this.#addPage()
      return this.#allocateShared(units)
    }
    this.#used[page] = used + units
    return page * UNITS_PER_PAGE + used
  }

  #addPage(): void {
    assert(this.#pages.length < MAX_PAGES, 'the keys and values up to 4 KiB fit into 16 GiB')
    const page = new Uint8Array(1 << PAGE_BITS)
    this.#pages.push(page)
    this.#wordPages.push(new Int32Array(page.buffer))
    this.#used.push(0)
  }

  #allocateAlone(units: number): number {
    const handle = this.#freeAlone.pop() ?? this.#alone.length | ALONE
    this.#alone[handle ^ ALONE] = new Uint8Array(units << UNIT_BITS)
    return handle
  }
}

/** Units of 16 bytes that a record of `size` bytes takes. */
export function unitsOf(size: number): number {
  return (size + (1 << UNIT_BITS) - 1) >>> UNIT_BITS
}
