import { hashed, hashKey } from '../engine/footprint.ts'
import { copyBytes, equalBytes } from '../execution/bytes.ts'
import { hex } from '../execution/chunks.ts'
import { Slab } from './slab.ts'

const FIRST_CAPACITY = 64

// Words of an entry.
const HASH = 0
const HANDLE = 1
const KEY_LENGTH = 2
const VALUE_LENGTH = 3
/** What the entry adds to the hash of all, two lanes. */
const SHARE_LO = 4
const SHARE_HI = 5
const ENTRY_BITS = 3

/**
 * Keys and values in bytes: a hash table with linear probing, of entries in words and records (key, then value) in a slab, so that a put makes
 * neither a string nor an object. Keeps a hash of all entries, whatever order they came in.
 *
 * Keys are given as ranges of larger arrays, and copied. {@link find}, {@link put} and {@link remove} are all that touches a key.
 */
export class Table {
  #size = 0
  /** Two words per place: entry + 1 or 0, and the hash. The number of places is a power of two, at least twice that of entries. */
  #places = new Int32Array(4 * FIRST_CAPACITY)
  #entries = new Int32Array(FIRST_CAPACITY << ENTRY_BITS)
  readonly #slab = new Slab()
  #sumLo = 0
  #sumHi = 0

  get size(): number {
    return this.#size
  }

  /** The sum over all entries of a 64-bit hash of key and value, as 16 hex digits. */
  get hash(): string {
    return hex(this.#sumHi) + hex(this.#sumLo)
  }

  /** The entry of a key, or -1. Entries are numbers below {@link size}; they and their bytes stay until the next {@link put} or {@link remove}. */
  find(bytes: Uint8Array, start: number, end: number): number {
    hashKey(bytes, start, end)
    return this.#lookUp(bytes, start, end, hashed.lo | 0)
  }

  /** The array that holds an entry's key and value, among others: not to be written. */
  bytes(entry: number): Uint8Array {
    return this.#slab.bytes(this.#word(entry, HANDLE))
  }

  keyStart(entry: number): number {
    return this.#slab.offset(this.#word(entry, HANDLE))
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
    let entry = this.#lookUp(bytes, start, end, lo | 0)
    if (entry < 0) entry = this.#insert(lo | 0, bytes, start, end, valueEnd - valueStart)
    else this.#resize(entry, valueEnd - valueStart)
    copyBytes(value, valueStart, valueEnd, this.bytes(entry), this.valueStart(entry))
    hashKey(value, valueStart, valueEnd)
    const at = entry << ENTRY_BITS
    this.#entries[at + SHARE_LO] = scramble(lo, hashed.lo)
    this.#entries[at + SHARE_HI] = scramble(hi, hashed.hi)
    this.#addShare(entry, 1)
  }

  /** Whether the key was there. */
  remove(bytes: Uint8Array, start: number, end: number): boolean {
    const entry = this.find(bytes, start, end)
    if (entry < 0) return false
    this.#addShare(entry, -1)
    this.#slab.free(this.#word(entry, HANDLE), this.#word(entry, KEY_LENGTH) + this.#word(entry, VALUE_LENGTH))
    this.#vacate(this.#placeOf(entry))
    const last = --this.#size
    if (entry !== last) this.#move(last, entry)
    return true
  }

  /** All entries, ascending by key. */
  sorted(): number[] {
    const entries = Array.from({ length: this.#size }, (_, entry) => entry)
    return entries.sort((a, b) => this.#compareKeys(a, b))
  }

  #word(entry: number, word: number): number {
    return this.#entries[(entry << ENTRY_BITS) + word] as number
  }

  #lookUp(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const places = this.#places
    const last = places.length - 2
    for (let place = (hash << 1) & last; ; place = (place + 2) & last) {
      const entry = (places[place] as number) - 1
      if (entry < 0) return -1
      if (places[place + 1] === hash && this.#hasKey(entry, bytes, start, end)) return entry
    }
  }

  #hasKey(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const handle = this.#word(entry, HANDLE)
    const at = this.#slab.offset(handle)
    return equalBytes(this.#slab.bytes(handle), at, at + this.#word(entry, KEY_LENGTH), bytes, start, end)
  }

  #insert(hash: number, key: Uint8Array, start: number, end: number, valueLength: number): number {
    if (this.#size === this.#entries.length >> ENTRY_BITS) this.#grow()
    const entry = this.#size++
    const handle = this.#slab.allocate(end - start + valueLength)
    const at = entry << ENTRY_BITS
    this.#entries[at + HASH] = hash
    this.#entries[at + HANDLE] = handle
    this.#entries[at + KEY_LENGTH] = end - start
    this.#entries[at + VALUE_LENGTH] = valueLength
    copyBytes(key, start, end, this.#slab.bytes(handle), this.#slab.offset(handle))
    this.#enter(entry)
    return entry
  }

  /** Makes room for a new value, and takes the old one out of the hash. */
  #resize(entry: number, valueLength: number): void {
    this.#addShare(entry, -1)
    const at = entry << ENTRY_BITS
    const keyLength = this.#entries[at + KEY_LENGTH] as number
    const present = keyLength + (this.#entries[at + VALUE_LENGTH] as number)
    this.#entries[at + VALUE_LENGTH] = valueLength
    if (this.#slab.fits(keyLength + valueLength, present)) return
    const old = this.#entries[at + HANDLE] as number
    const handle = this.#slab.allocate(keyLength + valueLength)
    const from = this.#slab.offset(old)
    copyBytes(this.#slab.bytes(old), from, from + keyLength, this.#slab.bytes(handle), this.#slab.offset(handle))
    this.#slab.free(old, present)
    this.#entries[at + HANDLE] = handle
  }

  #enter(entry: number): void {
    const hash = this.#word(entry, HASH)
    const last = this.#places.length - 2
    let place = (hash << 1) & last
    while (this.#places[place] !== 0) place = (place + 2) & last
    this.#places[place] = entry + 1
    this.#places[place + 1] = hash
  }

  #placeOf(entry: number): number {
    const last = this.#places.length - 2
    let place = (this.#word(entry, HASH) << 1) & last
    while (this.#places[place] !== entry + 1) place = (place + 2) & last
    return place
  }

  /** Empties a place, and moves up those behind it that probed past it: no tombstones. */
  #vacate(hole: number): void {
    const places = this.#places
    const last = places.length - 2
    places[hole] = 0
    for (let place = (hole + 2) & last; places[place] !== 0; place = (place + 2) & last) {
      const home = ((places[place + 1] as number) << 1) & last
      if (((place - home) & last) < ((place - hole) & last)) continue
      places[hole] = places[place] as number
      places[hole + 1] = places[place + 1] as number
      places[place] = 0
      hole = place
    }
  }

  /** Entry `from` becomes entry `to`, so that the entries stay without gaps. */
  #move(from: number, to: number): void {
    this.#places[this.#placeOf(from)] = to + 1
    this.#entries.copyWithin(to << ENTRY_BITS, from << ENTRY_BITS, (from + 1) << ENTRY_BITS)
  }

  #grow(): void {
    const entries = new Int32Array(2 * this.#entries.length)
    entries.set(this.#entries)
    this.#entries = entries
    this.#places = new Int32Array(2 * this.#places.length)
    for (let entry = 0; entry < this.#size; entry++) this.#enter(entry)
  }

  #addShare(entry: number, sign: 1 | -1): void {
    this.#sumLo = (this.#sumLo + sign * this.#word(entry, SHARE_LO)) | 0
    this.#sumHi = (this.#sumHi + sign * this.#word(entry, SHARE_HI)) | 0
  }

  #compareKeys(a: number, b: number): number {
    const left = this.bytes(a)
    const right = this.bytes(b)
    const leftStart = this.keyStart(a)
    const rightStart = this.keyStart(b)
    const length = Math.min(this.#word(a, KEY_LENGTH), this.#word(b, KEY_LENGTH))
    for (let i = 0; i < length; i++) {
      const difference = (left[leftStart + i] as number) - (right[rightStart + i] as number)
      if (difference !== 0) return difference
    }
    return this.#word(a, KEY_LENGTH) - this.#word(b, KEY_LENGTH)
  }
}

/** Mixes the hashes of a key and a value, in this order, so that exchanged values change the sum. */
function scramble(key: number, value: number): number {
  let h = Math.imul(key ^ Math.imul(value, 0x9e3779b1), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
  return h ^ (h >>> 13)
}
