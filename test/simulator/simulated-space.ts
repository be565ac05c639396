import type { Space } from '../../src/node/space.ts'

/** How much space there is to start with, and what is kept free. */
export interface SpaceLimits {
  readonly nearlyFullBytes: number
  readonly fullBytes: number
}

/** The disk of a data directory, of which something else may take so much that little is left. */
export class DiskSpace {
  readonly #used: () => number
  #capacity = Number.POSITIVE_INFINITY

  /** @param used what the replica has on the disk, in bytes */
  constructor(used: () => number) {
    this.#used = used
  }

  get free(): number {
    return this.#capacity - this.#used()
  }

  /** Something else takes all but so many bytes. */
  leave(bytes: number): void {
    this.#capacity = this.#used() + bytes
  }

  release(): void {
    this.#capacity = Number.POSITIVE_INFINITY
  }
}

/** The free space as one life of a replica sees it. */
export class SimulatedSpace implements Space {
  readonly nearlyFullBytes: number
  readonly fullBytes: number
  readonly #disk: DiskSpace
  readonly #ask: (answer: () => void) => void
  /** The replica knows that the disk is full: it must take no part. */
  saysFull = false
  /** How often it was told so for the first time, and how often there was space again. */
  readonly told = { nearlyFull: 0, full: 0, space: 0 }
  #level: 'space' | 'nearlyFull' | 'full' = 'space'

  /** @param ask calls back when the operating system has answered */
  constructor(disk: DiskSpace, { nearlyFullBytes, fullBytes }: SpaceLimits, ask: (answer: () => void) => void) {
    this.nearlyFullBytes = nearlyFullBytes
    this.fullBytes = fullBytes
    this.#disk = disk
    this.#ask = ask
  }

  async free(): Promise<number> {
    const free = await new Promise<number>((resolve) => this.#ask(() => resolve(this.#disk.free)))
    this.#count(free)
    return free
  }

  #count(free: number): void {
    const isFull = free < this.fullBytes || (this.saysFull && free < this.nearlyFullBytes)
    const level = isFull ? 'full' : free < this.nearlyFullBytes ? 'nearlyFull' : 'space'
    if (level !== this.#level) this.told[level]++
    this.#level = level
    this.saysFull = isFull
  }
}
