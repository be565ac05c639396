import type { Context } from './context.ts'
import type { Instance } from './instance.ts'

/**
 * Schedules the next try: soon if nobody coordinates, doubled for each try, with jitter so that duels end (scenario
 * 22).
 */
export function postpone(context: Context, instance: Instance): void {
  const { retryMs, recoverMs, maxRetryMs } = context.timing
  // An own instance without an attempt was proposed before a restart.
  const coordinated = instance.row === context.id ? instance.attempt !== null : context.peers.alive(instance.row)
  const base = coordinated ? retryMs : recoverMs
  const pause = Math.min(base * 2 ** Math.min(instance.tries, 16), maxRetryMs)
  instance.dueMs = context.nowMs + pause * (1 + context.random())
}

/** Another replica works on the instance: gives it time to finish. */
export function yieldTo(context: Context, instance: Instance): void {
  const pause = context.timing.retryMs * (1 + context.random())
  instance.dueMs = Math.max(instance.dueMs, context.nowMs + pause)
}
