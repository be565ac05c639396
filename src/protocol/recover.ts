import type { Vector } from '../engine/engine.ts'
import { chargeAnswer, mayAnswer } from './allowance.ts'
import { assert } from './assert.ts'
import type { Recovering } from './attempt.ts'
import { jumps, MAX_BALLOT, nextBallot } from './ballots.ts'
import { batchBytes } from './commit.ts'
import { acceptNoop, adopt } from './conclude.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { type Batch, MessageType, Phase, type Recover, type RecoverOk } from './messages.ts'
import { RecordType } from './records.ts'
import { requested } from './request.ts'
import { yieldTo } from './retry.ts'
import { startValidate } from './validate.ts'
import { equal } from './vector.ts'
import { addVote, countVotes, hasVote, type Votes } from './votes.ts'
import { onLateRecoverOk } from './wait.ts'

/**
 * Begins a recovery of the instance, in a ballot of this replica above every ballot that it has heard of (protocol.md
 * §4).
 */
export function recover(context: Context, instance: Instance): void {
  assert(!instance.committed, `${instance} is recovered only while it is uncommitted`)
  const ballot = nextBallot(Math.max(instance.ballot, instance.seenBallot), context.id, context.quorums.replicas)
  // No correct replica gets here: somebody has used the ballots up.
  if (ballot > MAX_BALLOT) return
  context.counts.recoveries++
  promise(context, instance, ballot)
  const attempt: Recovering = {
    kind: 'recovering',
    ballot,
    holders: instance.known ? addVote(0, context.id) : 0,
    sentMs: context.nowMs,
    answers: [],
    answered: 0,
    patienceMs: 0,
  }
  instance.attempt = attempt
  resendRecover(context, instance, attempt, ~0)
  countAnswer(context, instance, attempt, context.id, answer(context, instance))
}

/** Sends Recover to those of `to` that have not answered. */
export function resendRecover(context: Context, instance: Instance, attempt: Recovering, to: Votes): void {
  const message: Recover = {
    type: MessageType.recover,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: attempt.ballot,
  }
  for (const peer of context.peers.others) {
    if (hasVote(to, peer) && !hasVote(attempt.answered, peer)) context.send(peer, instance, message)
  }
}

/** Promises the ballot: every attempt here in a lower ballot is over, including ballot 0. */
function promise(context: Context, instance: Instance, ballot: number): void {
  instance.attempt = null
  context.impatient.delete(instance)
  context.waits.delete(instance)
  context.record(instance, {
    type: RecordType.bal,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot,
  })
}

function answer(context: Context, instance: Instance): RecoverOk {
  return {
    type: MessageType.recoverOk,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: instance.ballot,
    voteBallot: instance.voteBallot,
    phase: instance.phase,
    command: instance.command,
    mode: instance.mode,
    ok: instance.ok,
    initDeps: instance.initDeps,
    deps: instance.deps,
    batch: instance.batch,
  }
}

export function onRecover(context: Context, from: number, message: Recover): void {
  const { row, slot, ballot } = message
  if (!mayAnswer(context, from)) return
  const instance = requested(context, from, row, slot)
  if (instance === null) return
  if (jumps(context, instance, ballot)) return
  if (ballot < instance.ballot) {
    const nack = { type: MessageType.nack, epoch: context.epoch, row, slot, ballot: instance.ballot }
    return context.send(from, instance, nack)
  }
  if (ballot > instance.ballot) {
    promise(context, instance, ballot)
    yieldTo(context, instance)
  } else if (instance.phase === Phase.accepted && instance.voteBallot === ballot) {
    return
  }
  chargeAnswer(context, from, instance.batch === null ? 0 : batchBytes(instance.batch))
  context.send(from, instance, answer(context, instance))
}

export function onRecoverOk(context: Context, from: number, message: RecoverOk): void {
  const instance = context.find(message.row, message.slot)
  const attempt = instance?.attempt
  if (instance === undefined || !attempt || attempt.ballot !== message.ballot) return
  if (message.batch !== null) attempt.holders = addVote(attempt.holders, from)
  if (attempt.kind === 'recovering') countAnswer(context, instance, attempt, from, message)
  else if (attempt.kind === 'validating' || attempt.kind === 'waiting') {
    onLateRecoverOk(context, from, instance, attempt, message)
  }
}

function countAnswer(
  context: Context,
  instance: Instance,
  attempt: Recovering,
  from: number,
  message: RecoverOk,
): void {
  if (hasVote(attempt.answered, from)) return
  attempt.answered = addVote(attempt.answered, from)
  attempt.answers[from] = message
  decideRecover(context, instance, attempt)
}

/**
 * Decides once per ballot, on the answers of Q: at once if one has accepted; otherwise when every member that is up has
 * answered, or a bounded time after the first quorum. (Case a does not get here: a committed instance is answered with
 * its Commit.)
 */
export function decideRecover(context: Context, instance: Instance, attempt: Recovering): void {
  if (countVotes(attempt.answered) < context.quorums.recovery) return
  const answers = attempt.answers.filter((a) => a !== undefined)
  const highest = Math.max(...answers.map((a) => a.voteBallot))
  const accepted = answers.find((a) => a.voteBallot === highest && a.phase === Phase.accepted)
  if (accepted === undefined && stragglers(context, attempt)) {
    if (attempt.patienceMs === 0) {
      attempt.patienceMs = context.nowMs + straggle(context)
      context.impatient.add(instance)
    }
    if (context.nowMs < attempt.patienceMs) return
  }
  context.impatient.delete(instance)
  choose(context, instance, attempt, answers, accepted)
}

function stragglers(context: Context, attempt: Recovering): boolean {
  return context.peers.others.some((peer) => context.peers.alive(peer) && !hasVote(attempt.answered, peer))
}

/** Up to one round trip to the farthest peer that is up. */
function straggle(context: Context): number {
  let farthest = 1
  for (const peer of context.peers.others) {
    if (context.peers.alive(peer)) farthest = Math.max(farthest, context.peers.of(peer).roundTripMs)
  }
  return Math.min(farthest, context.timing.patienceMs)
}

/** Cases b to e of protocol.md §4. */
function choose(
  context: Context,
  instance: Instance,
  attempt: Recovering,
  answers: readonly RecoverOk[],
  accepted: RecoverOk | undefined,
): void {
  if (accepted !== undefined) return adopt(context, instance, accepted)
  // It has promised this ballot, so it will never fast-commit.
  if (hasVote(attempt.answered, instance.row)) return acceptNoop(context, instance)
  const agreeing = answers.filter((a) => a.phase === Phase.preAccepted && equal(a.deps as Vector, a.initDeps as Vector))
  const size = answers.length
  // A fast commit would show more.
  if (agreeing.length < size - context.quorums.fastCrashes) return acceptNoop(context, instance)
  const [first] = agreeing
  // n − f > e, so R has a member here.
  assert(first !== undefined, 'R is not empty')
  for (const a of agreeing) assert(equal(a.deps as Vector, first.deps as Vector), `all of R agree on ${instance}`)
  startValidate(context, instance, attempt, agreeing.length, first.batch as Batch, first.deps as Vector)
}
