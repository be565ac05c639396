import type { Vector } from '../engine/engine.ts'
import { assert } from './assert.ts'

/**
 * Which instances have executed at this replica: per row a prefix, and the slots beyond it. The core owns it, and
 * everybody else asks it. An instance is entered once, so a second execution is always noticed.
 */
export class ExecutedSet {
  readonly #prefix: number[]
  readonly #beyond: Set<number>[]

  constructor(rows: number) {
    this.#prefix = new Array(rows).fill(0)
    this.#beyond = this.#prefix.map(() => new Set())
  }

  /** Every slot of the row up to here has executed. */
  prefix(row: number): number {
    return this.#prefix[row] as number
  }

  /** Per row: every slot up to here has executed. */
  get vector(): Vector {
    return [...this.#prefix]
  }

  /** The executed slots of a row after the first gap, ascending. */
  beyond(row: number): number[] {
    return [...(this.#beyond[row] as Set<number>)].sort((a, b) => a - b)
  }

  /** Whether nothing has executed after a gap, so that the vector says everything. */
  get isPrefix(): boolean {
    return this.#beyond.every(({ size }) => size === 0)
  }

  /** From a checkpoint: replaces everything. */
  restore(vector: Vector, beyond: readonly (readonly number[])[]): void {
    for (const [row, slot] of vector.entries()) {
      this.#prefix[row] = slot
      this.#beyond[row] = new Set(beyond[row])
    }
  }

  has(row: number, slot: number): boolean {
    return slot <= (this.#prefix[row] as number) || (this.#beyond[row] as Set<number>).has(slot)
  }

  /** Per row the highest executed slot; some below it may not have executed. */
  get frontier(): Vector {
    return this.#prefix.map((last, row) => {
      let highest = last
      for (const slot of this.#beyond[row] as Set<number>) if (slot > highest) highest = slot
      return highest
    })
  }

  add(row: number, slot: number): void {
    assert(!this.has(row, slot), `instance ${row}.${slot} executes once`)
    const beyond = this.#beyond[row] as Set<number>
    let next = (this.#prefix[row] as number) + 1
    if (slot !== next) {
      beyond.add(slot)
      return
    }
    while (beyond.size > 0 && beyond.delete(next + 1)) next++
    this.#prefix[row] = next
  }
}
