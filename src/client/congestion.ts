/** The minimum in flight at a replica that reports that it is busy. */
const LEAST_BYTES = 64 << 10

/**
 * The pause after a replica reported that it is busy: doubled each time, with jitter, until it has done something
 * again.
 */
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 800

/** The first group after a pause goes alone for this long: a busy replica refuses at once. */
const PROBE_MS = 25

/** After this many pauses in a row the client tries another replica. */
const MOST_PAUSES = 3

/**
 * How much a client sends to a busy replica. All replicas execute all commands, so if one is busy, the cluster is.
 * Trying elsewhere at once, or repeating every refused command, would only add to the load. So one refusal pauses
 * everything that waits, and halves what may be in flight; each answer lets that grow again. After the pause one group
 * is sent as a probe, and the others only if it is not refused.
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

  /** @param mostBytes what may be in flight at a replica that is not busy */
  constructor(mostBytes: number, random: () => number = Math.random) {
    this.#mostBytes = mostBytes
    this.#limitBytes = mostBytes
    this.#random = random
  }

  /** How many bytes may be in flight. */
  get limitBytes(): number {
    return this.#limitBytes
  }

  /** Whether the replica has done nothing since it reported that it is busy. */
  get busy(): boolean {
    return this.#pauses > 0
  }

  /** For how long nothing is sent, in ms; 0 or less for no pause. */
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
   * A group that was sent at `sentMs` was refused because the replica is busy, while `outstandingBytes` were in flight.
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

  /** A group of `bytes` bytes was done. */
  done(bytes: number): void {
    this.#pauses = 0
    this.#limitBytes = Math.min(this.#mostBytes, this.#limitBytes + bytes)
  }
}
