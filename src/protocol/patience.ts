/**
 * A silence of this length has another reason than a long turn: patience would not help, and the link ends by itself.
 */
const LONGEST_MS = 3000

/** How much longer than the last silence the next one may be. */
const MARGIN = 1.5

/** The fraction of what is above the minimum that each heartbeat keeps: half of it is gone after some 35 s. */
const KEPT = 0.998

/**
 * How long the silence of one peer is tolerated: `suspectMs`, until a suspicion turns out to be wrong, because the peer
 * is heard again on the same link. Otherwise a replica with long turns would be recovered in each of them, and a
 * recovery turns what its live coordinator works on into no-ops.
 */
export class Patience {
  readonly #leastMs: number
  #ms: number

  constructor(suspectMs: number) {
    this.#leastMs = suspectMs
    this.#ms = suspectMs
  }

  get ms(): number {
    return this.#ms
  }

  /** The peer was silent for this long, but is alive. */
  suspectedInVain(silentMs: number): void {
    if (silentMs <= LONGEST_MS) this.#ms = Math.max(this.#ms, Math.min(MARGIN * silentMs, LONGEST_MS))
  }

  /** With each heartbeat of the peer. */
  forget(): void {
    this.#ms = this.#leastMs + (this.#ms - this.#leastMs) * KEPT
  }

  /** The link is closed: what follows may be another process. */
  reset(): void {
    this.#ms = this.#leastMs
  }
}
