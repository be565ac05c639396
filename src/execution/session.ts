import type { Lanes } from './chunks.ts'
import { NOTHING, Status } from './results.ts'
import { contentOf, mix } from './session-hash.ts'

/**
 * How far a request number may be beyond the acknowledged one, and how many bytes of results are kept before the
 * session accepts no more requests. A client that never acknowledges is refused here, at the same request at every
 * replica, instead of filling their memory.
 */
export const MAX_REQUEST_WINDOW = 1 << 20
export const MAX_KEPT_BYTES = 64 << 20

/** The cost of a kept result beside its bytes: the objects that hold it. */
export const RESULT_COST_BYTES = 128

/** Stands for the result of a request that was executed but whose result is not kept. */
export const GONE = new Uint8Array(0)

const FIRST_CAPACITY = 4

/** What all sessions of a table keep together, and its hash. Each session keeps its share up to date. */
export class SessionTotals {
  /** Of kept results, including the cost of each beside its bytes. */
  bytes = 0
  /** Remembered request numbers, with or without kept results. */
  numbers = 0
  lo = 0
  hi = 0

  addHash(lo: number, hi: number): void {
    this.lo = (this.lo + lo) | 0
    this.hi = (this.hi + hi) | 0
  }
}

/**
 * The executed requests of one session above `acknowledged`, with their results. A set, not a highest number: requests
 * of one client are pipelined, and a request that became a no-op is proposed again and executes after its successors.
 *
 * Nearly always the set is a dense window, kept in a ring. What lies far beyond the window is kept in a map, so that
 * memory follows the number of requests, never the gaps between them.
 */
export class Session {
  #acknowledged = 0
  #size = 0
  /** Requests with kept results, and the bytes of these. */
  #kept = 0
  #bytes = 0
  /** What {@link #bytesUpTo} found last, if nothing was entered or trimmed since; otherwise 0. */
  #addedUpTo = 0
  #addedBytes = 0
  /** Request `acknowledged + 1 + i` is at `(head + i) & (capacity - 1)`, or in `#far`. */
  #ring: (Uint8Array | null)[] = new Array(FIRST_CAPACITY).fill(null)
  #head = 0
  #far: Map<number, Uint8Array> | null = null
  #usedIn: number
  readonly #totals: SessionTotals
  readonly #salt: Lanes
  /** What this session adds to the hash of the table. */
  #lo = 0
  #hi = 0

  /** The number of the last image of the table that has it, or that was begun before it was opened. */
  image = 0

  /** The kept result that {@link judge} found. */
  kept: Uint8Array = NOTHING

  /**
   * @param totals what it adds to, until {@link leave}
   * @param salt a hash of its name
   * @param usedIn the generation of its table
   */
  constructor(totals = new SessionTotals(), salt: Lanes = { lo: 0, hi: 0 }, usedIn = 0) {
    this.#totals = totals
    this.#salt = salt
    this.#usedIn = usedIn
    this.#hashHeader(1)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Requests that are remembered. */
  get size(): number {
    return this.#size
  }

  /** What its kept results cost, in bytes. */
  get cost(): number {
    return this.#bytes + RESULT_COST_BYTES * this.#kept
  }

  /** The generation of the table in which it was last used. */
  get usedIn(): number {
    return this.#usedIn
  }

  set usedIn(generation: number) {
    if (generation === this.#usedIn) return
    this.#hashHeader(-1)
    this.#usedIn = generation
    this.#hashHeader(1)
  }

  /**
   * What to do with request `number` of a client that had acknowledged everything up to `acknowledged` when it sent it:
   * `applied` (apply it, then enter it), `kept`, `gone`, `expired` or `refused`.
   */
  judge(number: number, acknowledged: number): Status {
    if (number <= this.#acknowledged) return Status.expired
    const found = this.#find(number)
    if (found === GONE) return Status.gone
    if (found !== undefined) {
      this.kept = found
      return Status.kept
    }
    if (number - Math.max(acknowledged, this.#acknowledged) > MAX_REQUEST_WINDOW) return Status.refused
    const full = this.#bytes >= MAX_KEPT_BYTES && this.#bytes - this.#bytesUpTo(acknowledged) >= MAX_KEPT_BYTES
    return full ? Status.refused : Status.applied
  }

  /** Like {@link enter}, from a snapshot; false if it cannot be part of one. */
  restore(number: number, result: Uint8Array): boolean {
    const offset = number - this.#acknowledged - 1
    if (offset < 0 || offset >= MAX_REQUEST_WINDOW || this.#find(number) !== undefined) return false
    this.enter(number, result)
    return true
  }

  /** Request `number`, judged as to be applied, was applied. Its result is not kept if it is {@link GONE}. */
  enter(number: number, result: Uint8Array): void {
    const offset = number - this.#acknowledged - 1
    if (offset < 0) return
    this.#addedUpTo = 0
    if (offset >= this.#ring.length && offset < 4 * (this.#size + FIRST_CAPACITY)) this.#grow(offset + 1)
    if (offset < this.#ring.length) this.#ring[this.#place(offset)] = result
    else {
      this.#far ??= new Map()
      this.#far.set(number, result)
    }
    this.#tally(number, result, 1)
  }

  /** The client no longer needs any result up to `upTo`, and sends none of these requests again. */
  trim(upTo: number): void {
    const steps = upTo - this.#acknowledged
    if (steps <= 0) return
    this.#addedUpTo = 0
    this.#hashHeader(-1)
    for (let i = 1; i <= steps && i <= this.#ring.length; i++) {
      const result = this.#ring[this.#head] as Uint8Array | null
      if (result !== null) {
        this.#ring[this.#head] = null
        this.#tally(this.#acknowledged + i, result, -1)
      }
      this.#head = (this.#head + 1) & (this.#ring.length - 1)
    }
    if (this.#far !== null) this.#trimFar(this.#far, upTo)
    this.#acknowledged = upTo
    this.#hashHeader(1)
    if (this.#size === 0 && this.#ring.length > 1024) this.#ring = new Array(FIRST_CAPACITY).fill(null)
    this.#head &= this.#ring.length - 1
  }

  /** Forgets the results, but remembers that their requests were executed. */
  forgetResults(): void {
    this.#addedUpTo = 0
    for (let i = 0; i < this.#ring.length; i++) {
      const result = this.#ring[this.#place(i)] as Uint8Array | null
      if (result === null || result === GONE) continue
      this.#ring[this.#place(i)] = GONE
      this.#exchange(this.#acknowledged + 1 + i, result)
    }
    for (const [number, result] of this.#far ?? []) {
      if (result === GONE) continue
      this.#far?.set(number, GONE)
      this.#exchange(number, result)
    }
  }

  /**
   * Forgets everything up to the highest executed request: none of these requests is ever applied, as if they were
   * acknowledged.
   */
  cut(): void {
    let highest = this.#acknowledged
    for (const [number] of this.entries()) highest = number
    this.trim(highest)
  }

  /** It is no longer part of the table. */
  leave(): void {
    this.#totals.bytes -= this.cost
    this.#totals.numbers -= this.#size
    this.#totals.addHash(-this.#lo, -this.#hi)
  }

  /** Requests and results, ascending. */
  *entries(): Iterable<readonly [number, Uint8Array]> {
    const far = [...(this.#far ?? [])].sort(([a], [b]) => a - b)
    let next = 0
    for (let i = 0; i < this.#ring.length; i++) {
      const number = this.#acknowledged + 1 + i
      while (next < far.length && far[next]![0] < number) yield far[next++]!
      const result = this.#ring[this.#place(i)] as Uint8Array | null
      if (result !== null) yield [number, result]
    }
    yield* far.slice(next)
  }

  /** The shorter way: over the numbers to remove, or over all that are far. */
  #trimFar(far: Map<number, Uint8Array>, upTo: number): void {
    const isShort = upTo - this.#acknowledged < far.size
    const numbers = isShort ? numbersFrom(this.#acknowledged + 1, upTo) : far.keys()
    for (const number of numbers) {
      const result = number <= upTo ? far.get(number) : undefined
      if (result === undefined) continue
      far.delete(number)
      this.#tally(number, result, -1)
    }
    if (far.size === 0) this.#far = null
  }

  #find(number: number): Uint8Array | undefined {
    const offset = number - this.#acknowledged - 1
    const near = offset < this.#ring.length ? this.#ring[this.#place(offset)] : null
    return near ?? this.#far?.get(number)
  }

  /**
   * Bytes of the results that are removed when the client has acknowledged this far: added up once for the requests of
   * a group.
   */
  #bytesUpTo(acknowledged: number): number {
    if (acknowledged <= this.#acknowledged) return 0
    if (acknowledged === this.#addedUpTo) return this.#addedBytes
    let bytes = 0
    const near = Math.min(acknowledged - this.#acknowledged, this.#ring.length)
    for (let offset = 0; offset < near; offset++) bytes += this.#ring[this.#place(offset)]?.length ?? 0
    for (const [number, { length }] of this.#far ?? []) if (number <= acknowledged) bytes += length
    this.#addedUpTo = acknowledged
    this.#addedBytes = bytes
    return bytes
  }

  /** A remembered request comes (`sign` 1) or goes (-1): it is counted and hashed. */
  #tally(number: number, result: Uint8Array, sign: 1 | -1): void {
    const totals = this.#totals
    this.#size += sign
    totals.numbers += sign
    if (result !== GONE) {
      this.#kept += sign
      this.#bytes += sign * result.length
      totals.bytes += sign * (RESULT_COST_BYTES + result.length)
    }
    const content = result === GONE ? -1 : contentOf(result)
    this.#addHash(sign * mix(this.#salt.lo, number, content), sign * mix(this.#salt.hi, number, content))
  }

  #exchange(number: number, result: Uint8Array): void {
    this.#tally(number, result, -1)
    this.#tally(number, GONE, 1)
  }

  #hashHeader(sign: 1 | -1): void {
    const { lo, hi } = this.#salt
    this.#addHash(sign * mix(lo, this.#acknowledged, ~this.#usedIn), sign * mix(hi, this.#acknowledged, ~this.#usedIn))
  }

  #addHash(lo: number, hi: number): void {
    this.#lo = (this.#lo + lo) | 0
    this.#hi = (this.#hi + hi) | 0
    this.#totals.addHash(lo, hi)
  }

  #place(offset: number): number {
    return (this.#head + offset) & (this.#ring.length - 1)
  }

  #grow(least: number): void {
    const old = this.#ring
    let capacity = old.length
    while (capacity < least) capacity *= 2
    const ring: (Uint8Array | null)[] = new Array(capacity).fill(null)
    for (let i = 0; i < old.length; i++) ring[i] = old[this.#place(i)] as Uint8Array | null
    this.#ring = ring
    this.#head = 0
  }
}

function* numbersFrom(first: number, last: number): Iterable<number> {
  for (let number = first; number <= last; number++) yield number
}
