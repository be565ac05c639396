import { hashed, hashKey } from '../engine/footprint.ts'
import { copyBytes, equalBytes } from '../execution/bytes.ts'

const FIRST_CAPACITY = 64

/**
 * Keys and values in bytes: a hash table with linear probing, of entries in columns. A put makes no string, and one of the same length as
 * the value before makes no object. Keeps a hash of all entries, whatever order they came in.
 *
 * Keys are given as ranges of larger arrays, and copied. {@link find}, {@link put} and {@link remove} are all that touches a key.
 */
export class Table {
  #size = 0
  /** Per place: entry + 1, or 0. Its length is a power of two, at least twice the number of entries. */
  #places = new Int32Array(2 * FIRST_CAPACITY)
  /** Per entry: hash of the key. */
  #hashes = new Int32Array(FIRST_CAPACITY)
  /** Per entry: what it adds to the hash of all, two lanes. */
  #shares = new Int32Array(2 * FIRST_CAPACITY)
  #keyLengths = new Uint16Array(FIRST_CAPACITY)
  /** Per entry: key and value in one array. */
  readonly #records: Uint8Array[] = []
  #sumLo = 0
  #sumHi = 0

  get size(): number {
    return this.#size
  }

  /** The sum over all entries of a 64-bit hash of key and value, as 16 hex digits. */
  get hash(): string {
    return hex(this.#sumHi) + hex(this.#sumLo)
  }

  /** The entry of a key, or -1. Entries are numbers below {@link size}, valid until the next {@link put} or {@link remove}. */
  find(bytes: Uint8Array, start: number, end: number): number {
    hashKey(bytes, start, end)
    return this.#lookUp(bytes, start, end, hashed.lo | 0)
  }

  /** An entry's record: the key, and from {@link valueStart} to its end the value. May change at the next put. */
  record(entry: number): Uint8Array {
    return this.#records[entry] as Uint8Array
  }

  valueStart(entry: number): number {
    return this.#keyLengths[entry] as number
  }

  put(bytes: Uint8Array, start: number, end: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
    hashKey(bytes, start, end)
    const { lo, hi } = hashed
    let entry = this.#lookUp(bytes, start, end, lo | 0)
    const keyLength = end - start
    const length = keyLength + valueEnd - valueStart
    if (entry < 0) {
      entry = this.#insert(lo | 0, keyLength)
      this.#records[entry] = new Uint8Array(length)
      copyBytes(bytes, start, end, this.#records[entry] as Uint8Array, 0)
    } else {
      this.#addShare(entry, -1)
      const record = this.#records[entry] as Uint8Array
      if (record.length !== length) {
        this.#records[entry] = new Uint8Array(length)
        copyBytes(record, 0, keyLength, this.#records[entry] as Uint8Array, 0)
      }
    }
    copyBytes(value, valueStart, valueEnd, this.#records[entry] as Uint8Array, keyLength)
    hashKey(value, valueStart, valueEnd)
    this.#shares[2 * entry] = scramble(lo, hashed.lo)
    this.#shares[2 * entry + 1] = scramble(hi, hashed.hi)
    this.#addShare(entry, 1)
  }

  /** Whether the key was there. */
  remove(bytes: Uint8Array, start: number, end: number): boolean {
    const entry = this.find(bytes, start, end)
    if (entry < 0) return false
    this.#addShare(entry, -1)
    this.#vacate(this.#placeOf(entry))
    const last = --this.#size
    if (entry !== last) this.#move(last, entry)
    this.#records.pop()
    return true
  }

  /** All entries, ascending by key. */
  sorted(): number[] {
    const entries = Array.from({ length: this.#size }, (_, entry) => entry)
    return entries.sort((a, b) => this.#compare(a, b))
  }

  #lookUp(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#places.length - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const entry = (this.#places[place] as number) - 1
      if (entry < 0) return -1
      if (this.#hashes[entry] === hash) {
        const record = this.#records[entry] as Uint8Array
        if (equalBytes(record, 0, this.#keyLengths[entry] as number, bytes, start, end)) return entry
      }
    }
  }

  #insert(hash: number, keyLength: number): number {
    if (this.#size === this.#hashes.length) this.#grow()
    const entry = this.#size++
    this.#hashes[entry] = hash
    this.#keyLengths[entry] = keyLength
    this.#enter(entry)
    return entry
  }

  #enter(entry: number): void {
    const mask = this.#places.length - 1
    let place = (this.#hashes[entry] as number) & mask
    while (this.#places[place] !== 0) place = (place + 1) & mask
    this.#places[place] = entry + 1
  }

  #placeOf(entry: number): number {
    const mask = this.#places.length - 1
    let place = (this.#hashes[entry] as number) & mask
    while (this.#places[place] !== entry + 1) place = (place + 1) & mask
    return place
  }

  /** Empties a place, and moves up those behind it that probed past it: no tombstones. */
  #vacate(hole: number): void {
    const mask = this.#places.length - 1
    this.#places[hole] = 0
    for (let place = (hole + 1) & mask; this.#places[place] !== 0; place = (place + 1) & mask) {
      const home = (this.#hashes[(this.#places[place] as number) - 1] as number) & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      this.#places[hole] = this.#places[place] as number
      this.#places[place] = 0
      hole = place
    }
  }

  /** Entry `from` becomes entry `to`, so that the entries stay without gaps. */
  #move(from: number, to: number): void {
    this.#places[this.#placeOf(from)] = to + 1
    this.#hashes[to] = this.#hashes[from] as number
    this.#keyLengths[to] = this.#keyLengths[from] as number
    this.#shares.copyWithin(2 * to, 2 * from, 2 * from + 2)
    this.#records[to] = this.#records[from] as Uint8Array
  }

  #grow(): void {
    const capacity = 2 * this.#hashes.length
    const hashes = new Int32Array(capacity)
    hashes.set(this.#hashes)
    const shares = new Int32Array(2 * capacity)
    shares.set(this.#shares)
    const keyLengths = new Uint16Array(capacity)
    keyLengths.set(this.#keyLengths)
    this.#hashes = hashes
    this.#shares = shares
    this.#keyLengths = keyLengths
    this.#places = new Int32Array(2 * capacity)
    for (let entry = 0; entry < this.#size; entry++) this.#enter(entry)
  }

  #addShare(entry: number, sign: 1 | -1): void {
    this.#sumLo = (this.#sumLo + sign * (this.#shares[2 * entry] as number)) | 0
    this.#sumHi = (this.#sumHi + sign * (this.#shares[2 * entry + 1] as number)) | 0
  }

  #compare(a: number, b: number): number {
    const left = this.#records[a] as Uint8Array
    const right = this.#records[b] as Uint8Array
    const length = Math.min(this.#keyLengths[a] as number, this.#keyLengths[b] as number)
    for (let i = 0; i < length; i++) {
      const difference = (left[i] as number) - (right[i] as number)
      if (difference !== 0) return difference
    }
    return (this.#keyLengths[a] as number) - (this.#keyLengths[b] as number)
  }
}

/** Mixes the hashes of a key and a value, in this order, so that exchanged values change the sum. */
function scramble(key: number, value: number): number {
  let h = Math.imul(key ^ Math.imul(value, 0x9e3779b1), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
  return h ^ (h >>> 13)
}

function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, '0')
}
