/** Places behind the last home, for records that probe beyond it. The tail grows if this is not enough. */
const FIRST_TAIL = 32

// Words of a place.
/** The handle of the record plus 1; 0 if the place is empty. */
const HANDLE = 0
const HASH = 1

/**
 * Where the records of a hash table are. A place is two words: the handle of a record (a number from 0) and its hash,
 * with linear probing. The home of a hash is `hash mod homes`; its place is there or behind, with no empty place
 * between. Probing ends in a tail and does not wrap around, so what lies behind an empty place also has its home there.
 */
export class Places {
  /** A power of two. */
  readonly homes: number
  #words: Int32Array

  constructor(homes: number) {
    this.homes = homes
    this.#words = new Int32Array(2 * (homes + FIRST_TAIL))
  }

  home(hash: number): number {
    return hash & (this.homes - 1)
  }

  /**
   * The first place with the hash, from `place` on; `place` is the home of the hash or behind it. -1 if there is none.
   */
  seek(hash: number, place: number): number {
    const words = this.#words
    for (let at = place << 1; words[at] !== 0; at += 2) if (words[at + HASH] === hash) return at >> 1
    return -1
  }

  /** Loads the homes of hashes; see {@link Table.loadAhead}. The result has no meaning. */
  touch(hashes: Int32Array, count: number): number {
    const words = this.#words
    const mask = this.homes - 1
    let sink = 0
    for (let i = 0; i < count; i++) sink ^= words[((hashes[i] as number) & mask) << 1] as number
    return sink
  }

  /** The handle at a place that is not empty. */
  handle(place: number): number {
    return (this.#words[place << 1] as number) - 1
  }

  enter(hash: number, handle: number): void {
    let at = this.home(hash) << 1
    while (this.#words[at] !== 0) at += 2
    // The last place stays empty: every search ends there.
    if (at + 2 === this.#words.length) this.#lengthen()
    this.#words[at + HANDLE] = handle + 1
    this.#words[at + HASH] = hash
  }

  /** The record at a place has moved. */
  replace(place: number, handle: number): void {
    this.#words[(place << 1) + HANDLE] = handle + 1
  }

  /** Empties a place and moves up the records behind it that probed past it, so that there are no tombstones. */
  vacate(place: number): void {
    const words = this.#words
    let hole = place << 1
    words[hole] = 0
    for (let at = hole + 2; words[at] !== 0; at += 2) {
      if (this.home(words[at + HASH] as number) << 1 > hole) continue
      words[hole + HANDLE] = words[at + HANDLE] as number
      words[hole + HASH] = words[at + HASH] as number
      words[at] = 0
      hole = at
    }
  }

  /**
   * Moves the places from `place` on to `target`: at least `count`, and then up to the end of the last cluster. Returns
   * the first place that is left.
   */
  moveTo(target: Places, place: number, count: number): number {
    const words = this.#words
    const enough = Math.min((place + count) << 1, words.length)
    let at = place << 1
    for (; at < enough || (at < words.length && words[at] !== 0); at += 2) {
      if (words[at] === 0) continue
      target.enter(words[at + HASH] as number, (words[at + HANDLE] as number) - 1)
      words[at] = 0
    }
    return at >> 1
  }

  collectHandles(handles: number[]): void {
    const words = this.#words
    for (let at = 0; at < words.length; at += 2) if (words[at] !== 0) handles.push((words[at] as number) - 1)
  }

  /** Only many equal hashes, or extremely bad luck, get here. */
  #lengthen(): void {
    const words = new Int32Array(2 * this.#words.length - 2 * this.homes)
    words.set(this.#words)
    this.#words = words
  }
}
