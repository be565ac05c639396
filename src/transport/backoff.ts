/** The first pause before dialling again, and the longest. */
export const FIRST_PAUSE_MS = 50
export const LONGEST_PAUSE_MS = 1000

/** A link that stood this long ends the backing off. */
export const STABLE_MS = 1000

/** Until a peer is dialled again that was of no use yet: it changes without a sign to this side. */
export const AGAIN_MS = 250

/** Runs `action` once after `delayMs`, never before it returns; what it returns cancels that. */
export type Schedule = (delayMs: number, action: () => void) => () => void

export const systemSchedule: Schedule = (delayMs, action) => {
  const timer = setTimeout(action, delayMs)
  return () => clearTimeout(timer)
}

/** Pauses that double from {@link FIRST_PAUSE_MS} to {@link LONGEST_PAUSE_MS}, each jittered to between half and all of it. */
export class Backoff {
  readonly #random: () => number
  #nextMs = FIRST_PAUSE_MS

  /** `random` gives numbers in [0, 1). */
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
