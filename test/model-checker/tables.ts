/** Maps pairs of numbers below 2³² to a number below 2³² − 1: open addressing in typed arrays. */
export class PairTable {
  #keys = new Uint32Array(2 << 12)
  #values = new Uint32Array(1 << 12)
  #size = 0

  /** -1 if there is none. */
  get(a: number, b: number): number {
    return (this.#values[this.#place(a, b)] as number) - 1
  }

  set(a: number, b: number, value: number): void {
    if (this.#size * 2 > this.#values.length) this.#grow()
    const at = this.#place(a, b)
    if (this.#values[at] === 0) this.#size++
    this.#keys[2 * at] = a
    this.#keys[2 * at + 1] = b
    this.#values[at] = value + 1
  }

  #place(a: number, b: number): number {
    const mask = this.#values.length - 1
    let at = mix(Math.imul(a, 0x9e3779b1) ^ b) & mask
    while (this.#values[at] !== 0 && (this.#keys[2 * at] !== a || this.#keys[2 * at + 1] !== b)) at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values]
    this.#keys = new Uint32Array(keys.length * 2)
    this.#values = new Uint32Array(values.length * 2)
    for (let at = 0; at < values.length; at++) {
      if (values[at] === 0) continue
      const place = this.#place(keys[2 * at] as number, keys[2 * at + 1] as number)
      this.#keys[2 * place] = keys[2 * at] as number
      this.#keys[2 * place + 1] = keys[2 * at + 1] as number
      this.#values[place] = values[at] as number
    }
  }
}

/**
 * The states of a search: fixed-size tuples of words, numbered in order of arrival, each entered once, each with the
 * number of its parent.
 */
export class StateTable {
  readonly width: number
  size = 0
  #words: Uint32Array
  #parents = new Uint32Array(1 << 12)
  #index = new Uint32Array(1 << 13)

  constructor(width: number) {
    this.width = width
    this.#words = new Uint32Array(width << 12)
  }

  /** Enters the tuple; false if it is known. */
  add(state: Uint32Array, parent: number): boolean {
    const { width } = this
    const mask = this.#index.length - 1
    let at = hash(state, 0, width) & mask
    for (;;) {
      const known = this.#index[at] as number
      if (known === 0) break
      if (this.#equals(known - 1, state)) return false
      at = (at + 1) & mask
    }
    if (this.size === this.#parents.length) this.#growStates()
    this.#words.set(state, this.size * width)
    this.#parents[this.size] = parent
    this.#index[at] = ++this.size
    if (this.size * 5 > this.#index.length * 3) this.#growIndex()
    return true
  }

  /** Copies the tuple out. */
  read(number: number, into: Uint32Array): void {
    const { width } = this
    const at = number * width
    for (let i = 0; i < width; i++) into[i] = this.#words[at + i] as number
  }

  parent(number: number): number {
    return this.#parents[number] as number
  }

  #equals(number: number, state: Uint32Array): boolean {
    const at = number * this.width
    for (let i = 0; i < this.width; i++) if (this.#words[at + i] !== state[i]) return false
    return true
  }

  #growStates(): void {
    // By half: the old and the new arrays are in memory together.
    const states = Math.floor(this.size * 1.5)
    const words = new Uint32Array(states * this.width)
    words.set(this.#words)
    this.#words = words
    const parents = new Uint32Array(states)
    parents.set(this.#parents)
    this.#parents = parents
  }

  #growIndex(): void {
    this.#index = new Uint32Array(this.#index.length * 2)
    const mask = this.#index.length - 1
    for (let number = 0; number < this.size; number++) {
      let at = hash(this.#words, number * this.width, this.width) & mask
      while (this.#index[at] !== 0) at = (at + 1) & mask
      this.#index[at] = number + 1
    }
  }
}

function hash(words: Uint32Array, start: number, width: number): number {
  let h = 0x811c9dc5
  for (let i = start; i < start + width; i++) h = mix(Math.imul(h, 0x9e3779b1) ^ (words[i] as number))
  return h
}

function mix(word: number): number {
  let h = word ^ (word >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
