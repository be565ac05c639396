/** The upper bounds of the buckets, in ms. */
export const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000] as const

/** Durations, counted by buckets; adding one costs nanoseconds. */
export class Durations {
  /** How many were at most as long as each bound, and longer than the bound before; the last entry: than all bounds. */
  readonly counts: readonly number[] = new Array(BOUNDS_MS.length + 1).fill(0)
  sumMs = 0

  add(ms: number): void {
    let bucket = 0
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++
    ;(this.counts as number[])[bucket]!++
    this.sumMs += ms
  }
}
