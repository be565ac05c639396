import type { InstanceId } from '../engine/engine.ts'
import { chargeAnswer } from './allowance.ts'
import type { Context } from './context.ts'
import { MessageType, type Truncated } from './messages.ts'

/**
 * Answers a request about an instance that has executed here, and of which too little is left to answer: never a vote
 * (protocol.md §10). The asker needs a checkpoint.
 */
export function answerTruncated(context: Context, to: number, row: number, slot: number): void {
  context.counts.truncated++
  chargeAnswer(context, to, 0)
  const executed = context.durably.set.vector
  context.sendFreely(to, { type: MessageType.truncated, epoch: context.epoch, row, slot, executed })
}

/** The peer cannot tell the outcome of an instance any more. If it is still open here, only a checkpoint can. */
export function onTruncated(context: Context, from: number, { row, slot }: Truncated): void {
  if (!isOpen(context, row, slot)) return
  context.peers.of(from).lacking = { row, slot }
}

/** The peers that have forgotten what is still open here. */
export function peersWithCheckpoint(context: Context): number[] {
  return context.peers.others.filter((id) => lackingFrom(context, id) !== null)
}

/** An instance that is still open here, and that the peer has forgotten. */
export function lackingFrom(context: Context, id: number): InstanceId | null {
  const { lacking } = context.peers.of(id)
  return lacking !== null && isOpen(context, lacking.row, lacking.slot) ? lacking : null
}

function isOpen(context: Context, row: number, slot: number): boolean {
  return !context.isForgotten(row, slot) && !context.row(row).isCommitted(slot)
}
