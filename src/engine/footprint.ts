/**
 * A footprint names the keys that a batch of commands touches, as 64-bit key hashes (two 32-bit lanes).
 *
 * Shape, in 32-bit words: `[header, lo, hi, lo, hi, …]`. The low 31 bits of the header count the written keys, which
 * come first; the keys after them are only read. Bit 31 of the header means "everything": the batch interferes with
 * every other batch, whatever keys they name.
 *
 * Two footprints interfere if one writes a key that the other reads or writes, or if either is "everything". Reads do
 * not interfere with reads. A hash collision only adds interference, and adds the same at every replica.
 */
export type Footprint = Uint32Array

/** The bit of the header that marks a footprint as interfering with every other footprint. */
export const EVERYTHING = 0x8000_0000

/** The maximum number of keys in a footprint; larger batches are refused before they are proposed. */
export const MAX_FOOTPRINT_KEYS = 1 << 19

/** The two lanes of the last key hashed by {@link hashKey}: read them before the next call. */
export const hashed = { lo: 0, hi: 0 }

/** Part of the format version: changing it changes what interferes with what. */
const SEED_LO = 0x9747b28c
const SEED_HI = 0x5bd1e995

/** Hashes `bytes[start, end)` into {@link hashed}. */
export function hashKey(bytes: Uint8Array, start = 0, end = bytes.length): void {
  let lo = SEED_LO ^ (end - start)
  let hi = SEED_HI
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    lo = mix(lo, word, 0xcc9e2d51)
    hi = mix(hi ^ lo, word, 0x1b873593)
  }
  for (; i < end; i++) {
    lo = mix(lo, bytes[i] as number, 0xcc9e2d51)
    hi = mix(hi ^ lo, bytes[i] as number, 0x1b873593)
  }
  hashed.lo = finish(lo ^ (hi >>> 7))
  hashed.hi = finish(hi)
}

function mix(lane: number, word: number, factor: number): number {
  const k = Math.imul(word, factor)
  const h = lane ^ ((k << 15) | (k >>> 17))
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function finish(lane: number): number {
  let h = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Gathers the footprint of one batch. It is reused for every batch, so that a command creates no object. */
export class FootprintBuilder {
  #writes = new Uint32Array(256)
  #writeWords = 0
  #reads = new Uint32Array(256)
  #readWords = 0
  /** How often {@link everything} was called. Counted, so that each such command shows as a writing command. */
  #everything = 0

  /** Keys named so far; a repeated key counts again. */
  get keys(): number {
    return (this.#writeWords + this.#readWords) >>> 1
  }

  /** Keys written so far, "everything" included: a command that leaves this unchanged only reads. */
  get writes(): number {
    return (this.#writeWords >>> 1) + this.#everything
  }

  write(key: Uint8Array, start = 0, end = key.length): void {
    hashKey(key, start, end)
    this.writeHash(hashed.lo, hashed.hi)
  }

  read(key: Uint8Array, start = 0, end = key.length): void {
    hashKey(key, start, end)
    if (this.#readWords + 2 > this.#reads.length) this.#reads = grown(this.#reads)
    this.#reads[this.#readWords++] = hashed.lo
    this.#reads[this.#readWords++] = hashed.hi
  }

  writeHash(lo: number, hi: number): void {
    if (this.#writeWords + 2 > this.#writes.length) this.#writes = grown(this.#writes)
    this.#writes[this.#writeWords++] = lo
    this.#writes[this.#writeWords++] = hi
  }

  /** The batch interferes with every other one. */
  everything(): void {
    this.#everything++
  }

  /** How much was gathered: pass it to {@link rewind} to remove a command that turned out to be malformed. */
  mark(): readonly [number, number, number] {
    return [this.#writeWords, this.#readWords, this.#everything]
  }

  rewind([writeWords, readWords, everything]: readonly [number, number, number]): void {
    this.#writeWords = writeWords
    this.#readWords = readWords
    this.#everything = everything
  }

  /** Forgets everything gathered. */
  clear(): void {
    this.#writeWords = 0
    this.#readWords = 0
    this.#everything = 0
  }

  /** Whether exactly one key was named, and read; its lanes are in {@link hashed} then. */
  isOneRead(): boolean {
    if (this.#readWords !== 2 || this.#writeWords > 0 || this.#everything > 0) return false
    hashed.lo = this.#reads[0] as number
    hashed.hi = this.#reads[1] as number
    return true
  }

  /** The footprint of everything gathered; the builder is empty afterwards. */
  take(): Footprint {
    const words = new Uint32Array(1 + this.#writeWords + this.#readWords)
    words[0] = (this.#writeWords >>> 1) | (this.#everything > 0 ? EVERYTHING : 0)
    words.set(this.#writes.subarray(0, this.#writeWords), 1)
    words.set(this.#reads.subarray(0, this.#readWords), 1 + this.#writeWords)
    this.clear()
    return words
  }
}

function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2)
  larger.set(words)
  return larger
}

/** Whether `words` has the shape of a footprint: whole keys, and not more writes than keys. */
export function isFootprint(words: Uint32Array): boolean {
  const header = words[0]
  if (header === undefined || (words.length & 1) === 0) return false
  const keys = (words.length - 1) >>> 1
  return keys <= MAX_FOOTPRINT_KEYS && header % EVERYTHING <= keys
}
