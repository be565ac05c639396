import { hashed, hashKey } from '../engine/footprint.ts'
import { copyBytes, equalBytes } from '../execution/bytes.ts'
import { hex } from '../execution/chunks.ts'
import type { ChangeListener } from '../execution/machine.ts'
import { GrowingPlaces } from './growing-places.ts'
import { Slab } from './slab.ts'

const FIRST_HOMES = 128

// The words at the beginning of a record; the key and the value follow them.
const KEY_LENGTH = 0
const VALUE_LENGTH = 1
/** What the record adds to the hash of the whole table, two lanes. */
const SHARE_LO = 2
const SHARE_HI = 3
const HEADER_BYTES = 16

/**
 * Keys and values in bytes: a hash table of records in a slab, so that a put makes neither a string nor an object. A
 * put to one of a million keys waits for memory, not for the processor. It touches one place, which names the record,
 * and the record, which holds everything else. The table keeps a hash of all entries that does not depend on their
 * order.
 *
 * Keys are given as ranges of larger arrays, and copied. Only {@link find}, {@link put} and {@link remove} touch a key.
 * An entry is the handle of its record, a number from 0; the entry and its bytes stay valid until the next {@link put}
 * or {@link remove}.
 */
export class Table {
  /** Called after each {@link put} and {@link remove} of a key. */
  changed: ChangeListener | null = null
  readonly #places = new GrowingPlaces(FIRST_HOMES)
  readonly #slab = new Slab()
  #sumLo = 0
  #sumHi = 0
  /** Collects what is loaded ahead: without a use the engine would remove the loads. */
  #sink = 0

  get size(): number {
    return this.#places.count
  }

  /** The sum over all entries of a 64-bit hash of key and value, as 16 hex digits. */
  get hash(): string {
    return hex(this.#sumHi) + hex(this.#sumLo)
  }

  /** The entry of a key, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    hashKey(bytes, start, end)
    const hash = hashed.lo | 0
    const place = this.#placeOf(hash, bytes, start, end)
    return place < 0 ? -1 : this.#places.of(hash).handle(place)
  }

  /** The array that holds the key and the value of an entry, among others. Do not write to it. */
  bytes(entry: number): Uint8Array {
    return this.#slab.bytes(entry)
  }

  keyStart(entry: number): number {
    return this.#slab.offset(entry) + HEADER_BYTES
  }

  /** Where the key ends and the value begins. */
  valueStart(entry: number): number {
    return this.keyStart(entry) + this.#word(entry, KEY_LENGTH)
  }

  valueEnd(entry: number): number {
    return this.valueStart(entry) + this.#word(entry, VALUE_LENGTH)
  }

  put(bytes: Uint8Array, start: number, end: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
    hashKey(bytes, start, end)
    const { lo, hi } = hashed
    hashKey(value, valueStart, valueEnd)
    const shareLo = scramble(lo, hashed.lo)
    const shareHi = scramble(hi, hashed.hi)
    const record = this.#recordFor(lo | 0, bytes, start, end, valueEnd - valueStart)
    const words = this.#slab.words(record)
    const at = this.#slab.offset(record)
    words[(at >> 2) + SHARE_LO] = shareLo
    words[(at >> 2) + SHARE_HI] = shareHi
    this.#sumLo = (this.#sumLo + shareLo) | 0
    this.#sumHi = (this.#sumHi + shareHi) | 0
    copyBytes(value, valueStart, valueEnd, this.#slab.bytes(record), at + HEADER_BYTES + end - start)
    if (this.changed !== null) this.changed(bytes, start, end)
  }

  /** Returns whether the key was there. */
  remove(bytes: Uint8Array, start: number, end: number): boolean {
    hashKey(bytes, start, end)
    const hash = hashed.lo | 0
    const place = this.#placeOf(hash, bytes, start, end)
    if (place < 0) return false
    const record = this.#places.of(hash).handle(place)
    this.#places.vacate(hash, place)
    this.#dropShare(record)
    this.#slab.free(record, this.#sizeOf(record))
    if (this.changed !== null) this.changed(bytes, start, end)
    return true
  }

  /**
   * Touches what the next calls with keys of these hashes (`hashed.lo`) will need: first the places, then the records.
   * No load needs the result of another load of the same pass, so the processor waits for all of a pass at once.
   */
  loadAhead(hashes: Int32Array, count: number): void {
    let sink = this.#sink
    for (let i = 0; i < count; i++) {
      const places = this.#places.of(hashes[i] as number)
      sink ^= places.handle(places.home(hashes[i] as number))
    }
    for (let i = 0; i < count; i++) {
      const hash = hashes[i] as number
      const places = this.#places.of(hash)
      const place = places.seek(hash, places.home(hash))
      if (place >= 0) sink ^= this.#word(places.handle(place), KEY_LENGTH)
    }
    this.#sink = sink
  }

  /** All entries, ascending by key. */
  sorted(): number[] {
    return this.#places.handles().sort((a, b) => this.#compareKeys(a, b))
  }

  #word(record: number, word: number): number {
    return this.#slab.words(record)[(this.#slab.offset(record) >> 2) + word] as number
  }

  #sizeOf(record: number): number {
    return HEADER_BYTES + this.#word(record, KEY_LENGTH) + this.#word(record, VALUE_LENGTH)
  }

  /** The place in the array of its hash, or -1. */
  #placeOf(hash: number, key: Uint8Array, start: number, end: number): number {
    const places = this.#places.of(hash)
    let place = places.seek(hash, places.home(hash))
    while (place >= 0 && !this.#hasKey(places.handle(place), key, start, end)) place = places.seek(hash, place + 1)
    return place
  }

  #hasKey(record: number, key: Uint8Array, start: number, end: number): boolean {
    const keyStart = this.keyStart(record)
    const keyEnd = keyStart + this.#word(record, KEY_LENGTH)
    return equalBytes(this.#slab.bytes(record), keyStart, keyEnd, key, start, end)
  }

  /**
   * The record for a key, existing or new: it holds the key and has room for the value, and its share is removed from
   * the hash.
   */
  #recordFor(hash: number, key: Uint8Array, start: number, end: number, valueLength: number): number {
    const place = this.#placeOf(hash, key, start, end)
    if (place < 0) {
      const record = this.#newRecord(key, start, end, valueLength)
      this.#places.enter(hash, record)
      return record
    }
    const places = this.#places.of(hash)
    const present = places.handle(place)
    this.#dropShare(present)
    const size = this.#sizeOf(present)
    if (this.#slab.fits(HEADER_BYTES + end - start + valueLength, size)) {
      this.#slab.words(present)[(this.#slab.offset(present) >> 2) + VALUE_LENGTH] = valueLength
      return present
    }
    this.#slab.free(present, size)
    const record = this.#newRecord(key, start, end, valueLength)
    places.replace(place, record)
    return record
  }

  #newRecord(key: Uint8Array, start: number, end: number, valueLength: number): number {
    const record = this.#slab.allocate(HEADER_BYTES + end - start + valueLength)
    const words = this.#slab.words(record)
    const at = this.#slab.offset(record)
    words[(at >> 2) + KEY_LENGTH] = end - start
    words[(at >> 2) + VALUE_LENGTH] = valueLength
    copyBytes(key, start, end, this.#slab.bytes(record), at + HEADER_BYTES)
    return record
  }

  #dropShare(record: number): void {
    this.#sumLo = (this.#sumLo - this.#word(record, SHARE_LO)) | 0
    this.#sumHi = (this.#sumHi - this.#word(record, SHARE_HI)) | 0
  }

  #compareKeys(a: number, b: number): number {
    const left = this.bytes(a)
    const right = this.bytes(b)
    const leftStart = this.keyStart(a)
    const rightStart = this.keyStart(b)
    const leftLength = this.valueStart(a) - leftStart
    const rightLength = this.valueStart(b) - rightStart
    for (let i = 0; i < leftLength && i < rightLength; i++) {
      const difference = (left[leftStart + i] as number) - (right[rightStart + i] as number)
      if (difference !== 0) return difference
    }
    return leftLength - rightLength
  }
}

/** Mixes the hashes of a key and a value in this order, so that exchanged values change the sum. */
function scramble(key: number, value: number): number {
  let h = Math.imul(key ^ Math.imul(value, 0x9e3779b1), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
  return h ^ (h >>> 13)
}
