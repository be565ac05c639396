import type { Journal } from '../../src/storage/journal.ts'

export interface Damage {
  /** True: the last value is cut off. False: one bit of some value is flipped. */
  readonly torn: boolean
  /** Which value, and which place in it, in [0, 1). */
  readonly value: number
  readonly bit: number
}

/** A journal that reads back other bytes than were written. */
export class DamagedJournal implements Journal {
  readonly #journal: Journal
  readonly #damage: Damage
  /** A damaged value was read. */
  wasRead = false

  constructor(journal: Journal, damage: Damage) {
    this.#journal = journal
    this.#damage = damage
  }

  get last(): number {
    return this.#journal.last
  }

  get first(): number {
    return this.#journal.first
  }

  get bytes(): number {
    return this.#journal.bytes
  }

  append(value: Uint8Array): number {
    return this.#journal.append(value)
  }

  onDurable(listener: (upTo: number) => void, failed: (error: Error) => void): void {
    this.#journal.onDurable(listener, failed)
  }

  read(number: number): Uint8Array | null {
    return this.#journal.read(number)
  }

  *scan(from: number): Iterable<{ readonly number: number; readonly value: Uint8Array }> {
    const { torn, value: place } = this.#damage
    const damaged = torn ? this.last : from + Math.floor(place * (this.last + 1 - from))
    for (const { number, value } of this.#journal.scan(from)) {
      this.wasRead ||= number === damaged
      yield { number, value: number === damaged ? this.#damaged(value) : value }
    }
  }

  trim(before: number): void {
    this.#journal.trim(before)
  }

  close(): Promise<void> {
    return this.#journal.close()
  }

  #damaged(value: Uint8Array): Uint8Array {
    const { torn, bit } = this.#damage
    if (torn) return value.slice(0, Math.floor(bit * value.length))
    const flipped = value.slice()
    const place = Math.floor(bit * flipped.length * 8)
    flipped[place >>> 3] = (flipped[place >>> 3] as number) ^ (1 << (place & 7))
    return flipped
  }
}
