import type { Vector } from '../engine/engine.ts'
import { startAccept } from './accept.ts'
import type { Validating, Waiting } from './attempt.ts'
import { acceptNoop, adopt } from './conclude.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import {
  Command,
  type Conflict,
  MessageType,
  Phase,
  type RecoverOk,
  type Waiting as WaitingMessage,
} from './messages.ts'
import { requested } from './request.ts'
import { includes } from './vector.ts'
import { hasVote, type Votes } from './votes.ts'

/**
 * The last resort of case e: the outcome depends on the instances of I, so the recoverer waits for theirs (protocol.md
 * §4).
 */
export function startWait(
  context: Context,
  instance: Instance,
  validated: Validating,
  conflicts: readonly Conflict[],
): void {
  const attempt: Waiting = {
    kind: 'waiting',
    ballot: validated.ballot,
    holders: validated.holders,
    sentMs: context.nowMs,
    quorum: validated.quorum,
    count: validated.count,
    batch: validated.batch,
    deps: validated.deps,
    late: validated.late,
    conflicts,
  }
  instance.attempt = attempt
  instance.waitingHeard = Math.max(instance.waitingHeard, attempt.count)
  for (const x of conflicts) if (!context.isForgotten(x.row, x.slot)) context.open(x.row, x.slot)
  context.waits.add(instance)
  resendWaiting(context, instance, attempt, ~0)
  decideWait(context, instance, attempt)
  // Another wait here may have waited for this.
  reconsiderWaits(context)
}

/** Repeated while the wait lasts: liveness needs it. */
export function resendWaiting(context: Context, instance: Instance, attempt: Waiting, to: Votes): void {
  const message: WaitingMessage = {
    type: MessageType.waiting,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    count: attempt.count,
  }
  for (const peer of context.peers.others) if (hasVote(to, peer)) context.send(peer, instance, message)
}

export function onWaiting(context: Context, from: number, message: WaitingMessage): void {
  const instance = requested(context, from, message.row, message.slot)
  if (instance === null) return
  if (message.count <= instance.waitingHeard) return
  instance.waitingHeard = message.count
  reconsiderWaits(context)
}

/**
 * Whether a committed, interfering instance outside the dependencies of (row, slot) proves that those cannot have been
 * committed.
 */
export function invalidates(committed: Instance, row: number, slot: number): boolean {
  return committed.command !== Command.noop && !includes(committed.deps as Vector, row, slot)
}

/** A RecoverOk of the running ballot from outside Q: it counts from the decision on Q on. */
export function onLateRecoverOk(
  context: Context,
  from: number,
  instance: Instance,
  attempt: Validating | Waiting,
  message: RecoverOk,
): void {
  if (hasVote(attempt.quorum, from) || attempt.late.some((late) => late.from === from)) return
  attempt.late.push({ from, answer: message })
  if (attempt.kind === 'waiting') decideWait(context, instance, attempt)
}

/** After a commit, or a Waiting: a wait may be over. */
export function reconsiderWaits(context: Context): void {
  for (const instance of [...context.waits]) {
    if (instance.attempt?.kind === 'waiting') decideWait(context, instance, instance.attempt)
  }
}

/** The outcome of one of I is not known here any more: a new recovery gets a new I. */
function askAnew(context: Context, instance: Instance): void {
  instance.attempt = null
  context.waits.delete(instance)
  instance.dueMs = context.nowMs
}

function decideWait(context: Context, instance: Instance, attempt: Waiting): void {
  const open: Conflict[] = []
  for (const x of attempt.conflicts) {
    if (context.isForgotten(x.row, x.slot)) return askAnew(context, instance)
    const other = context.open(x.row, x.slot)
    if (other.committed) {
      if (invalidates(other, instance.row, instance.slot)) return acceptNoop(context, instance)
    } else open.push(x)
  }
  attempt.conflicts = open
  if (open.length === 0) {
    return startAccept(context, instance, attempt.ballot, Command.batch, attempt.deps, attempt.holders, true)
  }
  const { waiting } = context.quorums
  if (open.some((x) => context.open(x.row, x.slot).waitingHeard > waiting)) return acceptNoop(context, instance)
  for (const { from, answer } of attempt.late) {
    if (answer.phase === Phase.accepted) return adopt(context, instance, answer)
    if (from === instance.row) return acceptNoop(context, instance)
  }
}
