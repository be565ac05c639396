/** How often something was reached. */
export class Counters {
  readonly #counts = new Map<string, number>()

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  addAll(others: Iterable<readonly [string, number]>): void {
    for (const [what, count] of others) this.add(what, count)
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0
  }

  /** By name. */
  entries(): [string, number][] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}
