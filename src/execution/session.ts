import { NOTHING, Status } from './results.ts'

/**
 * How far a request number may be beyond the acknowledged one, and how many bytes of results are kept before no more requests are taken. A client
 * that never acknowledges is refused here, at the same request at every replica, instead of filling their memory.
 */
export const MAX_REQUEST_WINDOW = 1 << 20
export const MAX_KEPT_BYTES = 64 << 20

const FIRST_CAPACITY = 16

/**
 * The executed requests of one session above `acknowledged`, with their results. A set, not a highest number: requests of one client are
 * pipelined, and one that became a no-op is proposed again and executes after its successors.
 *
 * Nearly always the set is a dense window, kept in a ring; what lies far beyond it is kept in a map, so that memory follows the number of
 * requests, never the gaps between them.
 */
export class Session {
  #acknowledged = 0
  #size = 0
  /** Of the kept results. */
  #bytes = 0
  /** What {@link #bytesUpTo} found last, while nothing was entered or trimmed since; 0 for nothing. */
  #addedUpTo = 0
  #addedBytes = 0
  /** Request `acknowledged + 1 + i` stands at `(head + i) & (capacity - 1)`, or in `#far`. */
  #ring: (Uint8Array | null)[] = new Array(FIRST_CAPACITY).fill(null)
  #head = 0
  readonly #far = new Map<number, Uint8Array>()

  /** The result that {@link judge} found kept. */
  kept: Uint8Array = NOTHING

  /** The table's: whether it may have changed since the table was hashed. */
  changed = false

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Requests whose results are kept. */
  get size(): number {
    return this.#size
  }

  /**
   * What is to be done with request `number`, sent by a client that had acknowledged everything up to `acknowledged`:
   * `applied` (to be applied, then entered), `kept`, `expired` or `refused`.
   */
  judge(number: number, acknowledged: number): Status {
    if (number <= this.#acknowledged) return Status.expired
    const found = this.#find(number)
    if (found !== undefined) {
      this.kept = found
      return Status.kept
    }
    if (number - Math.max(acknowledged, this.#acknowledged) > MAX_REQUEST_WINDOW) return Status.refused
    const full = this.#bytes >= MAX_KEPT_BYTES && this.#bytes - this.#bytesUpTo(acknowledged) >= MAX_KEPT_BYTES
    return full ? Status.refused : Status.applied
  }

  /** As {@link enter}, from a snapshot: false where it cannot be part of one. */
  restore(number: number, result: Uint8Array): boolean {
    const offset = number - this.#acknowledged - 1
    if (offset < 0 || offset >= MAX_REQUEST_WINDOW || this.#find(number) !== undefined) return false
    this.enter(number, result)
    return true
  }

  /** Request `number`, judged to be applied, was applied. */
  enter(number: number, result: Uint8Array): void {
    const offset = number - this.#acknowledged - 1
    if (offset < 0) return
    this.#bytes += result.length
    this.#addedUpTo = 0
    if (offset >= this.#ring.length && offset < 4 * (this.#size + FIRST_CAPACITY)) this.#grow(offset + 1)
    if (offset < this.#ring.length) this.#ring[this.#place(offset)] = result
    else this.#far.set(number, result)
    this.#size++
  }

  /** The client needs no result up to `upTo` any more, and sends none of these requests again. */
  trim(upTo: number): void {
    const steps = upTo - this.#acknowledged
    if (steps <= 0) return
    this.#bytes -= this.#bytesUpTo(upTo)
    this.#addedUpTo = 0
    for (let i = Math.min(steps, this.#ring.length); i > 0; i--) {
      if (this.#ring[this.#head] !== null) {
        this.#ring[this.#head] = null
        this.#size--
      }
      this.#head = (this.#head + 1) & (this.#ring.length - 1)
    }
    if (this.#far.size > 0) this.#trimFar(upTo)
    this.#acknowledged = upTo
    if (this.#size === 0 && this.#ring.length > 1024) this.#ring = new Array(FIRST_CAPACITY).fill(null)
    this.#head &= this.#ring.length - 1
  }

  /** Requests and results, ascending. */
  *entries(): Iterable<readonly [number, Uint8Array]> {
    const far = [...this.#far].sort(([a], [b]) => a - b)
    let next = 0
    for (let i = 0; i < this.#ring.length; i++) {
      const number = this.#acknowledged + 1 + i
      while (next < far.length && far[next]![0] < number) yield far[next++]!
      const result = this.#ring[this.#place(i)] as Uint8Array | null
      if (result !== null) yield [number, result]
    }
    yield* far.slice(next)
  }

  /** By the shorter way: over the numbers that go, or over all that are far. */
  #trimFar(upTo: number): void {
    if (upTo - this.#acknowledged < this.#far.size) {
      for (let number = this.#acknowledged + 1; number <= upTo; number++) if (this.#far.delete(number)) this.#size--
    } else {
      for (const number of this.#far.keys()) if (number <= upTo && this.#far.delete(number)) this.#size--
    }
  }

  #find(number: number): Uint8Array | undefined {
    const offset = number - this.#acknowledged - 1
    const near = offset < this.#ring.length ? this.#ring[this.#place(offset)] : null
    return near ?? (this.#far.size > 0 ? this.#far.get(number) : undefined)
  }

  /** Bytes of the results that go when the client has acknowledged so far: added up once for the requests of a group. */
  #bytesUpTo(acknowledged: number): number {
    if (acknowledged <= this.#acknowledged) return 0
    if (acknowledged === this.#addedUpTo) return this.#addedBytes
    let bytes = 0
    const near = Math.min(acknowledged - this.#acknowledged, this.#ring.length)
    for (let offset = 0; offset < near; offset++) bytes += this.#ring[this.#place(offset)]?.length ?? 0
    if (this.#far.size > 0) for (const [number, { length }] of this.#far) if (number <= acknowledged) bytes += length
    this.#addedUpTo = acknowledged
    this.#addedBytes = bytes
    return bytes
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
