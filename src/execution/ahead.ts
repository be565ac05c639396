import { GroupReader } from './groups.ts'
import type { StateMachine } from './machine.ts'

/** More than a processor can wait for at once, and few enough to stay in its cache until they are used. */
const WINDOW = 128

/**
 * Walks over a batch ahead of its execution, and lets the machine load what the next commands need, one window at a
 * time.
 */
export class Ahead {
  readonly #machine: StateMachine
  readonly #ranges = new Int32Array(2 * WINDOW)
  readonly #group = new GroupReader()
  #bytes: Uint8Array = new Uint8Array(0)
  /** Commands of the window that are not applied yet. */
  #left = 0

  constructor(machine: StateMachine) {
    this.#machine = machine
  }

  /** @param bytes groups that were all opened before */
  begin(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#left = this.#machine.loadAhead === undefined ? Number.POSITIVE_INFINITY : 0
    if (bytes.length > 0) this.#group.reopen(bytes, 0)
  }

  /** Call this before each command, whether it is then applied or not. */
  step(): void {
    if (this.#left === 0) this.#load()
    this.#left--
  }

  #load(): void {
    let count = 0
    while (count < WINDOW && this.#next()) {
      this.#ranges[2 * count] = this.#group.commandStart
      this.#ranges[2 * count + 1] = this.#group.commandEnd
      count++
    }
    this.#left = count
    if (count > 1) this.#machine.loadAhead?.(this.#bytes, this.#ranges, count)
  }

  /** The next command of the batch. */
  #next(): boolean {
    while (!this.#group.next()) {
      if (this.#group.end >= this.#bytes.length) return false
      this.#group.reopen(this.#bytes, this.#group.end)
    }
    return true
  }
}
