import { contradiction } from './assert.ts'
import type { Context } from './context.ts'
import type { Heartbeat } from './messages.ts'
import { equal } from './vector.ts'

/** A difference must last this long, in ms: every peer that is up has reported its state in that time. */
const LASTING_MS = 1000

/**
 * The hash of the state for a heartbeat, or 0. Only a state that has not changed since the last heartbeat is reported:
 * under load hashes would cost time, and nobody could compare them. It must be the state after what the heartbeat
 * names as executed, all of which is durable.
 */
export function stateToSay(context: Context): number {
  const executed = context.executed.vector
  const stands = equal(executed, context.lastExecuted) && equal(executed, context.durably.set.vector)
  context.lastExecuted = executed
  return stands ? context.stateHash() : 0
}

/**
 * Different states after the same instances: silence would be the worst outcome (protocol.md §9). The replica stops,
 * unless more members agree with it than disagree: one broken member must not stop the others.
 */
export function compareStates(context: Context, from: number, { state, executed }: Heartbeat): void {
  if (state === 0 || !equal(context.executed.vector, executed)) return
  const own = context.stateHash()
  if (own === 0) return
  context.peers.of(from).agrees = own === state
  const opinions = context.peers.others.map((id) => context.peers.of(id).agrees)
  const against = opinions.filter((agrees) => agrees === false).length
  if (against === 0) context.differentSinceMs = null
  else context.differentSinceMs ??= context.nowMs
  const agreeing = 1 + opinions.filter((agrees) => agrees === true).length
  if (against < agreeing || context.nowMs < (context.differentSinceMs as number) + LASTING_MS) return
  throw contradiction(`${against} of the others have another state after the same instances, [${executed}]`)
}
