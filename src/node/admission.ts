/** Waiting work below this is never too much. In the work of `Budget`. */
const FREE_WORK = 4 << 20

/** The limit of what may be proposed and not executed: at first, at least, and at most. */
const FIRST_LIMIT = 8 << 20
const LEAST_LIMIT = 1 << 20
const MOST_LIMIT = 64 << 20

/** The weight of a new flight time in the average. */
const FLIGHT_WEIGHT = 0.25

/** Flights below this fraction of the target raise the limit; between it and the target the limit stays. */
const GROWS_BELOW = 0.75

/**
 * Overload control: how much a replica proposes at a time, and when it refuses more. Commands wait in two places:
 * before they are proposed, and from then until they have executed (their flight). A command that was proposed
 * executes, even if its client has given up, so only a short flight keeps the work useful: the limit for the work in
 * flight follows the flight time that it leads to. What waits before that is refused when it would wait too long.
 */
export class Admission {
  /** A command that has waited this long before its proposal is refused instead: it is certainly not done. */
  readonly longestWaitMs: number
  /** While the oldest command has waited this long, or a new one would wait this long, new ones are refused. */
  readonly mostWaitMs: number
  readonly #flightMs: number
  #limit = FIRST_LIMIT
  #running = 0
  #averageFlightMs = 0
  #leastFlightMs = Number.POSITIVE_INFINITY
  #loweredMs = Number.NEGATIVE_INFINITY

  /** @param requestTimeoutMs the time after which a command is answered as unknown */
  constructor(requestTimeoutMs: number) {
    this.longestWaitMs = requestTimeoutMs / 2
    this.mostWaitMs = requestTimeoutMs / 4
    this.#flightMs = requestTimeoutMs / 8
  }

  /** The work in flight, its limit, and the average flight time: for people. */
  get load(): { readonly work: number; readonly limit: number; readonly flightMs: number } {
    return { work: this.#running, limit: this.#limit, flightMs: this.#averageFlightMs }
  }

  /** Whether one more batch may be proposed. */
  get open(): boolean {
    return this.#running === 0 || this.#running < this.#limit
  }

  /**
   * Whether a new command must be refused. `oldestMs` is the arrival of the oldest waiting command; `nowMs` if none
   * waits.
   */
  refuses(waitingWork: number, oldestMs: number, nowMs: number): boolean {
    if (nowMs - oldestMs > this.mostWaitMs) return true
    if (waitingWork <= FREE_WORK) return false
    return (waitingWork / this.#limit) * this.#averageFlightMs > this.mostWaitMs
  }

  proposed(work: number): void {
    this.#running += work
  }

  /** The batch became a no-op: its flight says nothing about the load. */
  rejected(work: number): void {
    this.#running -= work
  }

  executed(work: number, proposedMs: number, nowMs: number): void {
    const flightMs = nowMs - proposedMs
    const wasBusy = this.#running >= this.#limit / 2
    this.#running -= work
    this.#averageFlightMs += FLIGHT_WEIGHT * (flightMs - this.#averageFlightMs)
    this.#leastFlightMs = Math.min(this.#leastFlightMs, flightMs)
    if (flightMs > this.#targetMs) this.#lower(flightMs, proposedMs, nowMs)
    else if (wasBusy && flightMs < GROWS_BELOW * this.#targetMs) this.#limit = Math.min(MOST_LIMIT, this.#limit + work)
  }

  /** If replicas are far apart, the shortest flight is long. */
  get #targetMs(): number {
    return Math.min(Math.max(this.#flightMs, 2 * this.#leastFlightMs), 2 * this.#flightMs)
  }

  /** Only once for everything that was proposed under the same limit. */
  #lower(flightMs: number, proposedMs: number, nowMs: number): void {
    if (proposedMs < this.#loweredMs) return
    this.#loweredMs = nowMs
    this.#limit = Math.max(LEAST_LIMIT, this.#limit * Math.max(0.5, this.#targetMs / flightMs))
  }
}
