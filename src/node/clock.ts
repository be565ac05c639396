/**
 * Time as a replica uses it: what it reads, and what it schedules. Implementations: {@link realClock}, and the
 * simulator's. A scheduled action runs later, never before the call returns.
 */
export interface Clock {
  /** Monotonic, in ms. */
  now(): number
  /** Runs `action` when the event loop has drained what arrived. */
  soon(action: () => void): void
  /** Runs `action` once, after `ms`. */
  after(ms: number, action: () => void): void
  /** Runs `action` every `ms`, until the returned function is called. */
  every(ms: number, action: () => void): () => void
}

export const realClock: Clock = {
  now: () => performance.now(),
  soon: (action) => {
    setImmediate(action)
  },
  after: (ms, action) => {
    setTimeout(action, ms)
  },
  every: (ms, action) => {
    const timer = setInterval(action, ms)
    return () => clearInterval(timer)
  },
}
