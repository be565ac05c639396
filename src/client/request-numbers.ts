/** Consecutive request numbers that were assigned together. */
export interface Span {
  readonly first: number
  readonly count: number
  /** How many of them are not settled. */
  open: number
}

/** Assigns the request numbers of a session, and knows up to which number all are settled. */
export class RequestNumbers {
  #next: number
  /** Oldest first; settled spans are removed from the front. */
  #spans: Span[] = []
  #settled = 0

  constructor(first: number) {
    this.#next = first
  }

  /** Every number up to here is settled: its result is no longer needed. */
  get acknowledged(): number {
    return (this.#spans[this.#settled]?.first ?? this.#next) - 1
  }

  /** The numbers from the first unsettled one to the last one assigned. */
  get window(): number {
    return this.#next - 1 - this.acknowledged
  }

  take(count: number): Span {
    const span = { first: this.#next, count, open: count }
    this.#spans.push(span)
    this.#next += count
    return span
  }

  /** One number of the span is answered, or given up for ever. */
  settle(span: Span): void {
    span.open--
    while (this.#spans[this.#settled]?.open === 0) this.#settled++
    if (this.#settled < 64 || 2 * this.#settled < this.#spans.length) return
    this.#spans = this.#spans.slice(this.#settled)
    this.#settled = 0
  }
}
