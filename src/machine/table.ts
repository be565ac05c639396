import { hashed, hashKey } from '../engine/footprint.ts'
import { copyBytes, equalBytes } from '../execution/bytes.ts'
import { hex } from '../execution/chunks.ts'
import type { ChangeListener } from '../execution/machine.ts'
import { assert } from '../protocol/assert.ts'
import { GrowingPlaces } from './growing-places.ts'
import { GENERATIONS, Records } from './records.ts'
import { TableImage, type TableTotals } from './table-image.ts'

const FIRST_HOMES = 128

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
  readonly records = new Records()
  readonly #places = new GrowingPlaces(FIRST_HOMES)
  #sumLo = 0
  #sumHi = 0
  /** The image that is being written. */
  #image: TableImage | null = null
  /** Of the last image. */
  #generation = 0
  /** Collects what is loaded ahead: without a use the engine would remove the loads. */
  #sink = 0
  /** The records that are loaded ahead. */
  #ahead = new Int32Array(0)

  get size(): number {
    return this.#places.count
  }

  /** The sum over all entries of a 64-bit hash of key and value, as 16 hex digits. */
  get hash(): string {
    return hex(this.#sumHi) + hex(this.#sumLo)
  }

  get totals(): TableTotals {
    return { count: this.size, lo: this.#sumLo, hi: this.#sumHi }
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
    return this.records.bytes(entry)
  }

  /** Where the value of an entry begins. */
  valueStart(entry: number): number {
    return this.records.valueStart(entry)
  }

  valueEnd(entry: number): number {
    return this.records.valueEnd(entry)
  }

  put(bytes: Uint8Array, start: number, end: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
    hashKey(bytes, start, end)
    const { lo, hi } = hashed
    hashKey(value, valueStart, valueEnd)
    const shareLo = scramble(lo, hashed.lo)
    const shareHi = scramble(hi, hashed.hi)
    const record = this.#recordFor(lo | 0, bytes, start, end, valueEnd - valueStart)
    this.records.setShare(record, shareLo, shareHi)
    this.#sumLo = (this.#sumLo + shareLo) | 0
    this.#sumHi = (this.#sumHi + shareHi) | 0
    copyBytes(value, valueStart, valueEnd, this.records.bytes(record), this.records.valueStart(record))
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
    this.#beforeChange(record)
    this.records.free(record)
    if (this.changed !== null) this.changed(bytes, start, end)
    return true
  }

  /**
   * Touches what the next calls with keys of these hashes (`hashed.lo`) will need: first the places, then the records.
   * No load needs the result of another load of the same pass, so the processor waits for all of a pass at once.
   */
  loadAhead(hashes: Int32Array, count: number): void {
    if (this.#ahead.length < count) this.#ahead = new Int32Array(count)
    const sink = this.#places.touch(hashes, count)
    let found = 0
    for (let i = 0; i < count; i++) {
      const hash = hashes[i] as number
      const places = this.#places.of(hash)
      const place = places.seek(hash, places.home(hash))
      if (place >= 0) this.#ahead[found++] = places.handle(place)
    }
    this.#sink ^= sink ^ this.records.touch(this.#ahead, found)
  }

  /** All entries, ascending by key. */
  sorted(): number[] {
    return this.#places.handles().sort((a, b) => this.#compareKeys(a, b))
  }

  /** Begins an image of the table as it is now. There is one at a time. */
  capture(): TableImage {
    assert(this.#image === null, 'one image of a table is written at a time')
    this.#generation = (this.#generation + 1) % GENERATIONS
    const image = new TableImage(this.records, this.#generation, this.totals, () => {
      if (this.#image === image) this.#image = null
    })
    this.#image = image
    return image
  }

  /** The place in the array of its hash, or -1. */
  #placeOf(hash: number, key: Uint8Array, start: number, end: number): number {
    const places = this.#places.of(hash)
    let place = places.seek(hash, places.home(hash))
    while (place >= 0 && !this.#hasKey(places.handle(place), key, start, end)) place = places.seek(hash, place + 1)
    return place
  }

  #hasKey(record: number, key: Uint8Array, start: number, end: number): boolean {
    const keyStart = this.records.keyStart(record)
    const keyEnd = keyStart + this.records.keyLength(record)
    return equalBytes(this.records.bytes(record), keyStart, keyEnd, key, start, end)
  }

  /**
   * The record for a key, existing or new: it holds the key and has room for the value, and its share is removed from
   * the hash.
   */
  #recordFor(hash: number, key: Uint8Array, start: number, end: number, valueLength: number): number {
    const place = this.#placeOf(hash, key, start, end)
    if (place < 0) {
      const record = this.records.make(key, start, end, valueLength, this.#generation)
      this.#places.enter(hash, record)
      return record
    }
    const places = this.#places.of(hash)
    const present = places.handle(place)
    this.#beforeChange(present)
    if (this.records.resize(present, valueLength)) return present
    this.records.free(present)
    const record = this.records.make(key, start, end, valueLength, this.#generation)
    places.replace(place, record)
    return record
  }

  #beforeChange(record: number): void {
    if (this.#image !== null) this.#image.save(record)
    this.#sumLo = (this.#sumLo - this.records.shareLo(record)) | 0
    this.#sumHi = (this.#sumHi - this.records.shareHi(record)) | 0
  }

  #compareKeys(a: number, b: number): number {
    const { records } = this
    const left = records.bytes(a)
    const right = records.bytes(b)
    const leftStart = records.keyStart(a)
    const rightStart = records.keyStart(b)
    const leftLength = records.keyLength(a)
    const rightLength = records.keyLength(b)
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
