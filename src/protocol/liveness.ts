import { resendAccept } from './accept.ts'
import { chargeAnswer, mayAnswerAsk, mayBeginRecovery, renewAllowances } from './allowance.ts'
import { jumps } from './ballots.ts'
import { batchBytes, sendCommit } from './commit.ts'
import type { Context } from './context.ts'
import { answerTruncated } from './forgotten.ts'
import type { Instance } from './instance.ts'
import { type Ask, MessageType, type Nack, type TryRecover } from './messages.ts'
import { decidePreAccept, onPreAcceptRefused, resendPreAccept } from './preaccept.ts'
import { decideRecover, recover, resendRecover } from './recover.ts'
import { requested } from './request.ts'
import { postpone } from './retry.ts'
import type { Row } from './row.ts'
import { resendValidate } from './validate.ts'
import { addVote, hasVote, type Votes } from './votes.ts'
import { resendWaiting } from './wait.ts'

/** Uncommitted slots checked per row and tick; an instance behind them waits for its turn. */
export const OPEN_PER_ROW = 256

/** Slots that a row that is behind asks for at once. */
const ASK_COUNT = 256

/** Bytes of batches in the answer to one Ask; the next Ask continues where it ended. */
const ANSWER_BYTES = 1 << 20

/** Tries in one way before another way: a nudged replica recovers, or an attempt starts again with a higher ballot. */
const TRIES = 3

/**
 * Takes care of what is open: deadlines at once; missing commits, and instances that nobody finishes, at an interval.
 */
export function lookAfter(context: Context): void {
  if (context.impatient.size > 0) expirePatience(context)
  if (context.nowMs < context.lookMs) return
  context.lookMs = context.nowMs + context.timing.lookMs
  renewAllowances(context)
  for (const row of context.rows) {
    askForMissing(context, row)
    let seen = 0
    for (let slot = row.committedPrefix + 1; slot <= row.highest && seen < OPEN_PER_ROW; slot++) {
      if (row.isCommitted(slot)) continue
      // An own slot that an instance depends on is in use, whoever used it.
      const instance = context.open(row.row, slot)
      seen++
      if (instance.noticedMs === 0) instance.noticedMs = context.nowMs
      if (instance.dueMs === 0) postpone(context, instance)
      else if (context.nowMs >= instance.dueMs) {
        instance.tries++
        postpone(context, instance)
        act(context, instance)
      }
    }
  }
}

/** A peer went down: what it coordinates is due soon, and nobody waits for its answers any more. */
export function hurry(context: Context, peer: number): void {
  for (const instance of [...context.impatient]) reconsider(context, instance)
  for (const instance of openIn(context.row(peer))) dueSoon(context, instance)
  for (let slot = context.row(context.id).committedPrefix + 1; slot <= context.slot; slot++) {
    const own = context.find(context.id, slot)
    if (own?.attempt?.kind === 'preAccepting') reconsider(context, own)
  }
}

/** A peer is back: what this replica tried in vain without it is tried anew, with the pauses of a first try. */
export function tryAnew(context: Context): void {
  for (const row of context.rows) {
    const isMine = context.peers.responsible(row.row) === context.id
    for (const instance of openIn(row)) {
      if (instance.tries === 0 || (instance.attempt === null && !isMine)) continue
      instance.tries = 0
      dueSoon(context, instance)
    }
  }
}

function* openIn(row: Row): Iterable<Instance> {
  const last = Math.min(row.highest, row.committedPrefix + OPEN_PER_ROW)
  for (let slot = row.committedPrefix + 1; slot <= last; slot++) {
    const instance = row.find(slot)
    if (instance !== undefined && !instance.committed) yield instance
  }
}

function dueSoon(context: Context, instance: Instance): void {
  const soon = context.nowMs + context.timing.recoverMs * (1 + context.random())
  instance.dueMs = instance.dueMs === 0 ? soon : Math.min(instance.dueMs, soon)
}

function expirePatience(context: Context): void {
  for (const instance of [...context.impatient]) {
    const { attempt } = instance
    const patient = attempt?.kind === 'preAccepting' || attempt?.kind === 'recovering'
    if (!patient || context.nowMs >= attempt.patienceMs) reconsider(context, instance)
  }
}

/** Decides an attempt that has waited for more answers, if possible now. */
function reconsider(context: Context, instance: Instance): void {
  const { attempt } = instance
  if (attempt?.kind === 'preAccepting') decidePreAccept(context, instance, attempt)
  else if (attempt?.kind === 'recovering') decideRecover(context, instance, attempt)
  else context.impatient.delete(instance)
}

function act(context: Context, instance: Instance): void {
  const { attempt } = instance
  if (attempt !== null) {
    const duelled = instance.seenBallot > attempt.ballot
    const mayRestart = attempt.ballot > 0 || duelled
    if (mayRestart && (duelled || instance.tries % TRIES === 0)) recover(context, instance)
    else resend(context, instance, ~0)
    return
  }
  const responsible = context.peers.responsible(instance.row)
  if (responsible === context.id || instance.tries > TRIES) recover(context, instance)
  else context.sendFreely(responsible, tryRecoverMessage(context, instance))
}

function tryRecoverMessage(context: Context, { row, slot }: Instance): TryRecover {
  return { type: MessageType.tryRecover, epoch: context.epoch, row, slot }
}

/** Sends again what the attempt waits for, to those of `whom` that owe an answer and do not have it in flight. */
function resend(context: Context, instance: Instance, whom: Votes): void {
  const { attempt } = instance
  if (attempt === null) return
  const to = whom & ~context.peers.behind
  attempt.sentMs = context.nowMs
  switch (attempt.kind) {
    case 'preAccepting':
      return resendPreAccept(context, instance, attempt, to)
    case 'accepting':
      return resendAccept(context, instance, attempt, to)
    case 'recovering':
      return resendRecover(context, instance, attempt, to)
    case 'validating':
      return resendValidate(context, instance, attempt, to)
    case 'waiting':
      return resendWaiting(context, instance, attempt, to)
  }
}

/**
 * A nudge: finish the instance. If nobody coordinates it here, it is recovered, otherwise everybody would nudge for
 * ever.
 */
export function onTryRecover(context: Context, from: number, message: TryRecover): void {
  const instance = requested(context, from, message.row, message.slot)
  if (instance === null) return
  if (instance.attempt !== null) {
    if (context.nowMs >= instance.attempt.sentMs + context.timing.recoverMs) resend(context, instance, ~0)
    return
  }
  // Another replica has just been promised a ballot: it may finish.
  const busy = instance.ballot > 0 && instance.dueMs > context.nowMs
  if (busy || !mayBeginRecovery(context, from)) return
  context.peers.of(from).allowance.recoveries--
  instance.tries++
  postpone(context, instance)
  recover(context, instance)
}

/** Asks a peer that is further for the commits that a row lacks, once they have been missing for a while. */
function askForMissing(context: Context, row: Row): void {
  const due = row.askDueMs > 0 && context.nowMs >= row.askDueMs
  // An answer ends at its limit; when the row stands still, the whole answer has arrived.
  const stands = row.committedPrefix === row.lookedPrefix && row.committedPrefix > row.askedPrefix
  row.lookedPrefix = row.committedPrefix
  const progressed = row.askedTo > 0 && (row.committedPrefix >= row.askedTo || stands)
  const silent = due && row.askedTo > 0 && row.committedPrefix === row.askedPrefix ? row.askedPeer : -1
  const peer = furthest(context, row, silent)
  if (peer === context.id) {
    row.askDueMs = 0
    row.askedTo = 0
    return
  }
  const committed = context.peers.of(peer).committed[row.row] as number
  if (row.askDueMs === 0) row.askDueMs = context.nowMs + context.timing.askMs
  else if (progressed || due) askOn(context, row, peer, committed)
}

/** The peer that is up and claims most of the row; `silent`, which did not answer, only if no other peer is further. */
function furthest(context: Context, row: Row, silent: number): number {
  const claimOf = (peer: number): number => context.peers.of(peer).committed[row.row] as number
  const further = context.peers.others.filter(
    (peer) => context.peers.alive(peer) && claimOf(peer) > row.committedPrefix,
  )
  const others = further.filter((peer) => peer !== silent)
  const candidates = others.length > 0 ? others : further
  return candidates.reduce((best, peer) => (claimOf(peer) > claimOf(best) ? peer : best), candidates[0] ?? context.id)
}

function askOn(context: Context, row: Row, peer: number, committed: number): void {
  const slot = row.committedPrefix + 1
  const count = Math.min(ASK_COUNT, committed - row.committedPrefix)
  row.askedTo = slot + count - 1
  row.askedPrefix = row.committedPrefix
  row.askedPeer = peer
  row.askDueMs = context.nowMs + context.timing.askMs * 3
  context.sendFreely(peer, { type: MessageType.ask, epoch: context.epoch, row: row.row, slot, count })
}

export function onAsk(context: Context, from: number, message: Ask): void {
  // It asks again; what it asks for may be in flight.
  if (hasVote(context.peers.behind, from)) return
  const row = context.row(message.row)
  const end = message.slot + Math.min(message.count, ASK_COUNT)
  let bytes = 0
  let isTold = false
  // One for the whole range: the asker needs a checkpoint, whatever else it lacks.
  const gone = (slot: number) => {
    if (!isTold) answerTruncated(context, from, message.row, slot)
    isTold = true
  }
  for (let slot = message.slot; slot < end && bytes < ANSWER_BYTES && mayAnswerAsk(context, from); slot++) {
    context.peers.of(from).allowance.slots--
    const instance = row.find(slot)
    if (instance === undefined) {
      if (context.isForgotten(message.row, slot)) gone(slot)
    } else if (instance.committed) bytes += sendCommit(context, instance, from, () => gone(slot))
    else if (instance.attempt !== null) {
      // The asker lacks the batch.
      instance.attempt.holders &= ~addVote(0, from)
      resend(context, instance, addVote(0, from))
      const sent = instance.batch === null ? 0 : batchBytes(instance.batch)
      chargeAnswer(context, from, sent)
      bytes += sent
    }
  }
}

export function onNack(context: Context, from: number, message: Nack): void {
  const instance = context.find(message.row, message.slot)
  if (instance === undefined || instance.committed) return
  if (jumps(context, instance, message.ballot)) return
  instance.seenBallot = Math.max(instance.seenBallot, message.ballot)
  const { attempt } = instance
  if (attempt === null || attempt.ballot >= message.ballot) return
  if (attempt.kind === 'preAccepting') onPreAcceptRefused(context, from, instance, attempt)
}
