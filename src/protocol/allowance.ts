import type { Context } from './context.ts'
import { ALLOWANCE } from './peers.ts'

export function renewAllowances(context: Context): void {
  for (const peer of context.peers.others) Object.assign(context.peers.of(peer).allowance, ALLOWANCE)
}

/** Whether the peer may get one more answer. The last answer may exceed the bytes. */
export function mayAnswer(context: Context, peer: number): boolean {
  const { bytes, answers } = context.peers.of(peer).allowance
  return isLeft(context, bytes > 0 && answers > 0)
}

/**
 * Like {@link mayAnswer}, for an answer to an Ask. Asks may use half of the bytes and of the answers, so that a peer
 * that catches up can still take part in recoveries.
 */
export function mayAnswerAsk(context: Context, peer: number): boolean {
  const { bytes, answers, slots } = context.peers.of(peer).allowance
  return isLeft(context, bytes > ALLOWANCE.bytes / 2 && answers > ALLOWANCE.answers / 2 && slots > 0)
}

/** The cost of a Probe, in keys, beside its keys. */
const PROBE_KEYS = 16

/** Charges the peer for a Probe of so many keys; returns whether it may be answered. */
export function mayAnswerProbe(context: Context, peer: number, keys: number): boolean {
  const { allowance } = context.peers.of(peer)
  const may = isLeft(context, allowance.keys > 0)
  if (may) allowance.keys -= keys + PROBE_KEYS
  return may
}

export function mayBeginRecovery(context: Context, peer: number): boolean {
  return isLeft(context, context.peers.of(peer).allowance.recoveries > 0)
}

function isLeft(context: Context, left: boolean): boolean {
  if (!left) context.counts.deferred++
  return left
}

export function chargeAnswer(context: Context, peer: number, bytes: number): void {
  const { allowance } = context.peers.of(peer)
  allowance.bytes -= bytes
  allowance.answers--
}
