import type { Context } from './context.ts'
import type { Instance } from './instance.ts'

/** Plans the next try: soon where the coordinator is down, doubled for each try, jittered so that duels end (scenario 22). */
export function postpone(context: Context, instance: Instance): void {
  const { retryMs, recoverMs, maxRetryMs } = context.timing
  const base = context.peers.alive(instance.row) ? retryMs : recoverMs
  const pause = Math.min(base * 2 ** Math.min(instance.tries, 16), maxRetryMs)
  instance.dueMs = context.nowMs + pause * (1 + context.random())
}

/** Somebody else works on the instance: leaves it the time to finish. */
export function yieldTo(context: Context, instance: Instance): void {
  const pause = context.timing.retryMs * (1 + context.random())
  instance.dueMs = Math.max(instance.dueMs, context.nowMs + pause)
}
