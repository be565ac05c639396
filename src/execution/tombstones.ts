import type { Lanes } from './chunks.ts'
import { mix } from './session-hash.ts'

/** The names of closed sessions, with the generation in which each was closed; the oldest come first. */
export class Tombstones {
  readonly #generations = new Map<string, number>()

  get size(): number {
    return this.#generations.size
  }

  has(id: string): boolean {
    return this.#generations.has(id)
  }

  /** @param generation not below that of those before */
  add(id: string, generation: number): void {
    this.#generations.set(id, generation)
  }

  /** Those that were closed before the generation; forgotten one by one, as they are taken. */
  *takeBefore(generation: number): Iterable<readonly [id: string, generation: number]> {
    for (const entry of this.#generations) {
      if (entry[1] >= generation) return
      this.#generations.delete(entry[0])
      yield entry
    }
  }

  /** Oldest first. What is added or forgotten during the walk is seen, or not seen any more. */
  [Symbol.iterator](): Iterator<readonly [id: string, generation: number]> {
    return this.#generations.entries()
  }
}

/** What a tombstone adds to the hash of the table. */
export function tombstoneHash({ lo, hi }: Lanes, generation: number): Lanes {
  return { lo: mix(lo, generation, 1), hi: mix(hi, generation, 1) }
}
