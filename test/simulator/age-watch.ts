import { LIFETIME_TICKS } from '../../src/execution/age.ts'
import type { Aged } from '../../src/execution/sessions.ts'
import type { Counters } from './counters.ts'
import type { Options } from './options.ts'
import type { VirtualTime } from './time.ts'
import { Violation } from './violation.ts'

/** Virtual time is added up in fractions of a ms. */
const ROUNDING_MS = 0.01

/**
 * Watches the clock of the sessions: the end of a tick does the same everywhere; a tick is not shorter than a majority
 * of clocks allows; and no session is forgotten within the lifetime after its last use.
 */
export class AgeWatch {
  readonly #counters: Counters
  readonly #time: VirtualTime
  /** The minimum length of a tick in virtual time; 0 if clocks of a majority jump. */
  readonly #leastMs: number
  /** What the end of each tick did where it was first executed, and when that was. */
  readonly #ends: { readonly aged: Aged; readonly atMs: number }[] = []
  /** When each request was first executed anywhere, and by session the last of these times. */
  readonly #first = new Set<string>()
  readonly #usedMs = new Map<string, number>()

  constructor(counters: Counters, time: VirtualTime, { sessionLifetimeMs, replicas, clockRates, faults }: Options) {
    this.#counters = counters
    this.#time = time
    const jumps = new Set(faults.flatMap((fault) => (fault.kind === 'jump' ? [fault.replica] : [])))
    const rates = clockRates.map((rate, replica) => (jumps.has(replica) ? Number.POSITIVE_INFINITY : rate))
    const fastestFirst = rates.sort((a, b) => b - a)
    // The slowest of the fastest majority ends a tick.
    this.#leastMs = sessionLifetimeMs / LIFETIME_TICKS / (fastestFirst[Math.floor(replicas / 2)] as number)
  }

  /** `session#number` was applied. */
  used(request: string): void {
    if (this.#first.has(request)) return
    this.#first.add(request)
    this.#usedMs.set(request.slice(0, request.lastIndexOf('#')), this.#time.now)
  }

  ended(tick: number, aged: Aged): void {
    const first = this.#ends[tick]
    if (first !== undefined) {
      const names = ({ sessions, tombstones }: Aged) => JSON.stringify([[...sessions].sort(), [...tombstones].sort()])
      if (names(first.aged) === names(aged)) return
      throw new Violation('Sweeps', `the end of tick ${tick} removed ${names(first.aged)}, then ${names(aged)}`)
    }
    const atMs = this.#time.now
    this.#ends[tick] = { aged, atMs }
    this.#counters.add('ticks of sessions')
    this.#counters.add('sessions that aged', aged.sessions.length)
    const lastedMs = atMs - (this.#ends[tick - 1]?.atMs ?? 0)
    if (lastedMs < this.#leastMs - ROUNDING_MS) {
      throw new Violation('Sweeps', `tick ${tick} lasted ${lastedMs} ms, not ${this.#leastMs}`)
    }
    for (const session of aged.sessions) this.#checkAge(session, atMs)
  }

  #checkAge(session: string, atMs: number): void {
    const usedMs = this.#usedMs.get(session)
    if (usedMs === undefined || atMs - usedMs >= LIFETIME_TICKS * this.#leastMs - ROUNDING_MS) return
    throw new Violation('Exactly once', `${session} is forgotten ${atMs - usedMs} ms after its last use`)
  }
}
