import type { Vector } from '../engine/engine.ts'
import { ExecutedSet } from './executed.ts'
import { contains, type Executed, executedOf } from './runs.ts'

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
  /** What comes behind this place rests on an image that is not durable yet; -1 if there is none. */
  #held = -1
  /** What that image holds. */
  #image: Executed | null = null

  constructor(rows: number) {
    this.set = new ExecutedSet(rows)
  }

  /** The instance has executed; `number` is the journal value with its COM. */
  executed(row: number, slot: number, number: number): void {
    if (number <= this.#durable && this.#waiting.length === 0 && this.#held < 0) this.set.add(row, slot)
    else this.#waiting.push(row, slot, number)
  }

  /** The journal is durable up to this value. */
  durable(number: number): void {
    this.#durable = number
    const waiting = this.#waiting
    const end = this.#held < 0 ? waiting.length : this.#held
    let at = this.#entered
    for (; at < end && (waiting[at + 2] as number) <= number; at += 3) {
      this.set.add(waiting[at] as number, waiting[at + 1] as number)
    }
    this.#entered = at
    if (at < waiting.length || this.#held >= 0) return
    this.#waiting = []
    this.#entered = 0
  }

  /** The state was replaced by that of an image: what executes from now on is not durable before the image is. */
  hold(image: Executed): void {
    if (this.#held < 0) this.#held = this.#waiting.length
    this.#image = image
  }

  /** Whether there is an image that is not durable yet. */
  get held(): boolean {
    return this.#held >= 0
  }

  /** A checkpoint is whole and synced. One that was begun before the image was installed changes nothing. */
  settle(executed: Vector, beyond: readonly (readonly number[])[]): void {
    if (this.#image === null || !contains(executedOf(executed, beyond), this.#image)) return
    this.#image = null
    this.set.restore(executed, beyond)
    // What the checkpoint holds need not wait for its COM.
    const rest = this.#waiting.slice(Math.max(this.#held, 0))
    this.#held = -1
    this.#waiting = []
    this.#entered = 0
    for (let at = 0; at < rest.length; at += 3) {
      const [row, slot, number] = rest.slice(at, at + 3) as [number, number, number]
      if (!this.set.has(row, slot)) this.executed(row, slot, number)
    }
  }
}
