import { ExecutedSet } from './executed.ts'

/**
 * What has executed here and will be found committed after a restart: E of protocol.md §10. Instances enter in the
 * order of execution, each when its COM is durable, so the set always contains what its members depend on.
 */
export class DurablyExecuted {
  readonly set: ExecutedSet
  /** Executed, in order: row, slot and the journal value of the COM; the first ones have entered the set. */
  #waiting: number[] = []
  #entered = 0
  #durable = 0

  constructor(rows: number) {
    this.set = new ExecutedSet(rows)
  }

  /** The instance has executed; `number` is the journal value with its COM. */
  executed(row: number, slot: number, number: number): void {
    if (number <= this.#durable && this.#waiting.length === 0) this.set.add(row, slot)
    else this.#waiting.push(row, slot, number)
  }

  /** The journal is durable up to this value. */
  durable(number: number): void {
    this.#durable = number
    const waiting = this.#waiting
    let at = this.#entered
    for (; at < waiting.length && (waiting[at + 2] as number) <= number; at += 3) {
      this.set.add(waiting[at] as number, waiting[at + 1] as number)
    }
    this.#entered = at
    if (at < waiting.length) return
    this.#waiting = []
    this.#entered = 0
  }
}
