import { Status } from '../../src/execution/results.ts'
import type { Session } from '../../src/execution/session.ts'
import type { SessionTable } from '../../src/execution/sessions.ts'
import type { Swept } from '../../src/execution/sweep.ts'
import type { AgeWatch } from './age-watch.ts'
import type { Counters } from './counters.ts'
import type { Record } from './record.ts'
import { Violation } from './violation.ts'

/**
 * Watches the session tables of all lives: a sweep does the same everywhere, and no request of a session is applied
 * twice in one life.
 */
export class SweepWatch {
  readonly #counters: Counters
  readonly #record: Record
  readonly #ages: AgeWatch
  /** What the sweep of each generation did where it was first executed. */
  readonly #swept: Swept[] = []
  /** Sessions that ever lost something, by what they lost. */
  readonly #lost = { forgotten: new Set<string>(), cut: new Set<string>(), expired: new Set<string>() }

  constructor(counters: Counters, record: Record, ages: AgeWatch) {
    this.#ages = ages
    this.#counters = counters
    this.#record = record
  }

  /** Whether a sweep took this from the session. */
  has(kind: keyof Swept, session: string): boolean {
    return this.#lost[kind].has(session)
  }

  /** The table of a new life. */
  watch(table: SessionTable): void {
    const sweep = table.sweep.bind(table)
    table.sweep = (generation) => {
      const swept = sweep(generation)
      if (swept !== null) this.#onSwept(generation, swept)
      return swept
    }
    const tick = table.tick.bind(table)
    table.tick = (number, row, epoch, majority) => {
      const aged = tick(number, row, epoch, majority)
      if (aged === null) return aged
      this.#ages.ended(number, aged)
      for (const session of aged.sessions) this.#lost.expired.add(session)
      return aged
    }
    this.#watchRequests(table)
  }

  #onSwept(generation: number, swept: Swept): void {
    const first = this.#swept[generation]
    if (first === undefined) {
      this.#swept[generation] = swept
      for (const kind of ['forgotten', 'cut', 'expired'] as const) {
        this.#counters.add(`sessions ${kind} by a sweep`, swept[kind].length)
        for (const session of swept[kind]) this.#lost[kind].add(session)
      }
    } else if (JSON.stringify(first) !== JSON.stringify(swept)) {
      const what = `${JSON.stringify(first)} at one replica, ${JSON.stringify(swept)} at another`
      throw new Violation('Sweeps', `sweep ${generation} did ${what}`)
    }
  }

  #watchRequests(table: SessionTable): void {
    const open = table.open.bind(table)
    const applied = new Set<string>()
    const watched = new WeakSet<Session>()
    table.open = (id) => {
      const session = open(id)
      if (session === null || watched.has(session)) return session
      watched.add(session)
      const judge = session.judge.bind(session)
      session.judge = (number, acknowledged) => {
        const status = judge(number, acknowledged)
        if (status === Status.applied) this.#onApplied(`${id}#${number}`, applied)
        return status
      }
      return session
    }
  }

  #onApplied(request: string, applied: Set<string>): void {
    if (applied.has(request)) throw new Violation('Exactly once', `${request} is applied twice`)
    applied.add(request)
    this.#ages.used(request)
    this.#record.applied(request)
  }
}
