import { Durations } from '../metrics/durations.ts'
import type { Numbers } from '../metrics/numbers.ts'
import type { Respond } from './requests.ts'

/** Counts how groups of commands are answered, and how long those that are done take. */
export class Answers {
  readonly #now: () => number
  readonly #durations = new Durations()
  #done = 0
  // Rates need a 0 before the first one.
  readonly #refused = new Map<string, number>([
    ['busy', 0],
    ['not_ready', 0],
    ['disk_full', 0],
  ])
  readonly #unknown = new Map<string, number>([['timeout', 0]])

  /** @param now a clock in ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Passes the answer on, and counts it. */
  counted(respond: Respond): Respond {
    const sinceMs = this.#now()
    return (answer) => {
      if (answer.outcome === 'done') {
        this.#done++
        this.#durations.add(this.#now() - sinceMs)
      } else {
        const counts = answer.outcome === 'refused' ? this.#refused : this.#unknown
        counts.set(answer.code, (counts.get(answer.code) ?? 0) + 1)
      }
      respond(answer)
    }
  }

  get numbers(): Pick<Numbers, 'done' | 'refused' | 'unknown' | 'answerMs'> {
    const [refused, unknown] = [Object.fromEntries(this.#refused), Object.fromEntries(this.#unknown)]
    return { done: this.#done, refused, unknown, answerMs: this.#durations }
  }
}
