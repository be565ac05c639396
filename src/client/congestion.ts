/** Under way at a replica that says that it is busy, at least. */
const LEAST_BYTES = 64 << 10

/**
 * The pause after a replica said that it is busy: doubled each time, with jitter, until it has done something again.
 */
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 800

/** The first group after a pause goes alone for so long: a busy replica refuses at once. */
const PROBE_MS = 25

/** After so many pauses in a row another replica is tried. */
const MOST_PAUSES = 3

/**
 * How much a client sends to a busy replica. All replicas execute all commands, so when one is busy, it is the cluster:
 * to try elsewhere at once, or to repeat every command that was refused, would only add to the load. So one refusal
 * pauses all that waits, and halves what is under way at a time; each answer lets that grow again. After the pause one
 * group is sent as a probe, and the others only if it is not refused.
 */
export class Congestion {
  readonly #mostBytes: number
  readonly #random: () => number
  #limitBytes: number
  #pauses = 0
  #untilMs = 0
  #refusedMs = Number.NEGATIVE_INFINITY
  /** The next group is a probe. */
  #careful = false

  /** @param mostBytes what may be under way at a replica that is not busy */
  constructor(mostBytes: number, random: () => number = Math.random) {
    this.#mostBytes = mostBytes
    this.#limitBytes = mostBytes
    this.#random = random
  }

  /** What may be under way at a time. */
  get limitBytes(): number {
    return this.#limitBytes
  }

  /** Whether the replica has done nothing since it said that it is busy. */
  get busy(): boolean {
    return this.#pauses > 0
  }

  /** How long nothing is sent, in ms; 0 or less for no pause. */
  pauseMs(nowMs: number): number {
    return this.#untilMs - nowMs
  }

  /** A group is sent. */
  sent(nowMs: number): void {
    if (!this.#careful) return
    this.#careful = false
    this.#untilMs = nowMs + PROBE_MS
  }

  /**
   * A group that was sent at `sentMs` was refused because the replica is busy, while `outstandingBytes` were under way.
   * What was sent before the last refusal says nothing new. Returns whether it is time to try another replica.
   */
  refused(outstandingBytes: number, sentMs: number, nowMs: number): boolean {
    if (sentMs <= this.#refusedMs) return false
    this.#refusedMs = nowMs
    this.#careful = true
    this.#limitBytes = Math.max(LEAST_BYTES, Math.min(this.#limitBytes, outstandingBytes) / 2)
    const longestMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses, LONGEST_PAUSE_MS)
    this.#untilMs = nowMs + longestMs * (0.5 + 0.5 * this.#random())
    this.#pauses++
    return this.#pauses % MOST_PAUSES === 0
  }

  /** A group of so many bytes was done. */
  done(bytes: number): void {
    this.#pauses = 0
    this.#limitBytes = Math.min(this.#mostBytes, this.#limitBytes + bytes)
  }
}
