import { setImmediate as settle } from 'node:timers/promises'

/** A clock that runs on demand, and jumps from one action to the next. */
export class SimulatedTime {
  nowMs = 0
  #sequence = 0
  readonly #due: { atMs: number; sequence: number; action: () => void; cancelled: boolean }[] = []

  /** How long from now each action waits, in ms, without the cancelled ones. */
  get waiting(): number[] {
    return this.#due.filter(({ cancelled }) => !cancelled).map(({ atMs }) => atMs - this.nowMs)
  }

  schedule = (delayMs: number, action: () => void): (() => void) => {
    const entry = { atMs: this.nowMs + delayMs, sequence: this.#sequence++, action, cancelled: false }
    this.#due.push(entry)
    this.#due.sort((a, b) => b.atMs - a.atMs || b.sequence - a.sequence)
    return () => {
      entry.cancelled = true
    }
  }

  /** Runs the next action; false if there is none. Promises settle before it returns. */
  async step(): Promise<boolean> {
    await settle()
    const next = this.#due.pop()
    if (next === undefined) return false
    this.nowMs = next.atMs
    if (!next.cancelled) next.action()
    await settle()
    return true
  }

  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    const deadlineMs = this.nowMs + limitMs
    while (!condition()) {
      if (this.nowMs > deadlineMs || !(await this.step())) throw new Error(`in vain: ${what}`)
    }
  }

  /** Runs everything that is due in the next `ms`. */
  async pass(ms: number): Promise<void> {
    let over = false
    this.schedule(ms, () => {
      over = true
    })
    await this.until(() => over, 'time to pass', ms + 1)
  }
}
