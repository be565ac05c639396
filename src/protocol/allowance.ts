import type { Context } from './context.ts'

/**
 * How much work the requests of one peer may cause at this replica between two checks (`timing.lookMs`). Asking is
 * cheap and answering is not. So what exceeds the allowance is dropped like a lost message, and the peer asks again.
 */
export interface Allowance {
  /** Bytes of batches, in all answers. */
  bytes: number
  /** Commits and promises. */
  answers: number
  /** Slots looked up for Asks. */
  slots: number
  /** Recoveries begun because of a TryRecover. */
  recoveries: number
}

/**
 * Asks may use half of the bytes and of the answers, so that a peer that catches up can still take part in recoveries.
 */
const ALLOWED: Readonly<Allowance> = { bytes: 4 << 20, answers: 1024, slots: 8192, recoveries: 256 }

export function freshAllowance(): Allowance {
  return { ...ALLOWED }
}

export function renewAllowances(context: Context): void {
  for (const peer of context.peers.others) Object.assign(context.peers.of(peer).allowance, ALLOWED)
}

/** Whether the peer may get one more answer. The last answer may exceed the bytes. */
export function mayAnswer(context: Context, peer: number): boolean {
  const { bytes, answers } = context.peers.of(peer).allowance
  return isLeft(context, bytes > 0 && answers > 0)
}

/** Like {@link mayAnswer}, for an answer to an Ask. */
export function mayAnswerAsk(context: Context, peer: number): boolean {
  const { bytes, answers, slots } = context.peers.of(peer).allowance
  return isLeft(context, bytes > ALLOWED.bytes / 2 && answers > ALLOWED.answers / 2 && slots > 0)
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
