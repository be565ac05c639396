/** The first pause before dialling again, and the longest. */
export const FIRST_PAUSE_MS = 50
export const LONGEST_PAUSE_MS = 1000

/** A link that was open this long resets the pauses. */
export const STABLE_MS = 1000

/** The pause before a peer that was not useful yet is dialled again: it changes without notice to this side. */
export const AGAIN_MS = 250

/** Runs `action` once after `delayMs`, never before the call returns; the returned function cancels it. */
export type Schedule = (delayMs: number, action: () => void) => () => void

export const systemSchedule: Schedule = (delayMs, action) => {
  const timer = setTimeout(action, delayMs)
  return () => clearTimeout(timer)
}

/**
 * Pauses that double from {@link FIRST_PAUSE_MS} to {@link LONGEST_PAUSE_MS}, each with jitter between half and all of
 * it.
 */
export class Backoff {
  readonly #random: () => number
  #nextMs = FIRST_PAUSE_MS

  /** `random` returns numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random
  }

  /** The next pause in ms. */
  pause(): number {
    const fullMs = this.#nextMs
    this.#nextMs = Math.min(fullMs * 2, LONGEST_PAUSE_MS)
    return fullMs / 2 + (this.#random() * fullMs) / 2
  }

  reset(): void {
    this.#nextMs = FIRST_PAUSE_MS
  }
}
