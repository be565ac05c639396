/** Every quorum size of the protocol, including the coordinator (protocol.md §1). */
export interface Quorums {
  /** Replicas, n. */
  readonly replicas: number
  /** The number of crashes that the protocol survives, f. */
  readonly crashes: number
  /** The number of crashes that the fast path survives, e. */
  readonly fastCrashes: number
  /** Equal replies that a fast commit needs: n − e. */
  readonly fast: number
  /** Votes that an Accept needs: n − f. */
  readonly slow: number
  /** Answers that a recovery needs: n − f. */
  readonly recovery: number
  /** A wait for an instance ends in a no-op if its recoverer counted more than this many: n − f − e. */
  readonly waiting: number
}

export const MAX_REPLICAS = 16

/**
 * The quorums of `replicas` members, with the most crashes and the largest legal fast quorum, or with the requested
 * `fastCrashes`. Throws a RangeError for sizes that the protocol does not allow.
 */
export function quorums(replicas: number, fastCrashes = largestFastCrashes(replicas)): Quorums {
  const n = replicas
  const f = crashesOf(n)
  const e = fastCrashes
  check(Number.isInteger(n) && n >= 1 && n <= MAX_REPLICAS, `1 to ${MAX_REPLICAS} replicas, not ${n}`)
  check(Number.isInteger(e) && e >= 0 && e <= f, `0 ≤ e ≤ f: e = ${e}, f = ${f}`)
  check(n >= Math.max(2 * e + f - 1, 2 * f + 1), `n ≥ max(2e + f − 1, 2f + 1): n = ${n}, e = ${e}, f = ${f}`)
  const fast = n - e
  const slow = n - f
  check(2 * slow > n, 'two slow quorums meet')
  check(fast + slow > n, 'a fast quorum meets every slow quorum')
  check(fast >= slow, 'a fast commit is as widely known as a slow one')
  return { replicas: n, crashes: f, fastCrashes: e, fast, slow, recovery: slow, waiting: n - f - e }
}

function crashesOf(n: number): number {
  return Math.floor((n - 1) / 2)
}

function largestFastCrashes(n: number): number {
  const f = crashesOf(n)
  return Math.min(f, Math.floor((n - f + 1) / 2))
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(`quorums: ${what}`)
}
