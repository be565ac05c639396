import type { Vector } from '../engine/engine.ts'
import { assert } from './assert.ts'
import type { Accepting } from './attempt.ts'
import { jumps } from './ballots.ts'
import { askFor, decide, learnBatch } from './commit.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { type Accept, type AcceptOk, Command, MessageType, Phase } from './messages.ts'
import { RecordType } from './records.ts'
import { requested } from './request.ts'
import { addVote, countVotes, hasVote, type Votes } from './votes.ts'

/** The second phase of the slow path and of a recovery: Accept to all, the own vote first. */
export function startAccept(
  context: Context,
  instance: Instance,
  ballot: number,
  command: Command,
  deps: Vector,
  holders: Votes,
  recovery: boolean,
): void {
  assert(instance.ballot === ballot && !instance.committed, `${instance} is accepted in the ballot it is in`)
  const self = addVote(0, context.id)
  vote(context, instance, ballot, command, deps)
  const attempt: Accepting = {
    kind: 'accepting',
    ballot,
    holders: addVote(holders, context.id),
    sentMs: context.nowMs,
    votes: self,
    recovery,
  }
  instance.attempt = attempt
  context.waits.delete(instance)
  resendAccept(context, instance, attempt, ~0)
  decideAccept(context, instance, attempt)
}

/** Sends Accept to those of `to` that have not voted, with the batch to those that may lack it. */
export function resendAccept(context: Context, instance: Instance, attempt: Accepting, to: Votes): void {
  const bare: Accept = {
    type: MessageType.accept,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: attempt.ballot,
    command: instance.command,
    deps: instance.deps as Vector,
    batch: null,
  }
  const whole = instance.command === Command.batch ? { ...bare, batch: instance.batch } : bare
  for (const peer of context.peers.others) {
    if (!hasVote(to, peer) || hasVote(attempt.votes, peer)) continue
    context.send(peer, instance, hasVote(attempt.holders, peer) ? bare : whole)
  }
}

function vote(context: Context, instance: Instance, ballot: number, command: Command, deps: Vector): void {
  context.record(instance, {
    type: RecordType.acc,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot,
    command,
    deps,
    batch: command === Command.batch ? context.batchToRecord(instance) : null,
  })
  context.mention(deps)
}

export function onAccept(context: Context, from: number, message: Accept): void {
  const { row, slot, ballot, command } = message
  const instance = requested(context, from, row, slot)
  if (instance === null) return
  if (jumps(context, instance, ballot)) return
  if (ballot < instance.ballot) {
    const nack = { type: MessageType.nack, epoch: context.epoch, row, slot, ballot: instance.ballot }
    return context.send(from, instance, nack)
  }
  // An instance has one batch for ever: if one is known here, it is the right one.
  if (command === Command.batch && message.batch !== null) learnBatch(context, instance, message.batch)
  if (command === Command.batch && !instance.known) return askFor(context, instance, from)
  const voted = instance.phase === Phase.accepted && instance.voteBallot === ballot
  if (!voted) {
    instance.attempt = null
    context.waits.delete(instance)
    vote(context, instance, ballot, command, message.deps)
  }
  const acceptOk: AcceptOk = { type: MessageType.acceptOk, epoch: context.epoch, row, slot, ballot }
  context.send(from, instance, acceptOk)
}

export function onAcceptOk(context: Context, from: number, message: AcceptOk): void {
  const instance = context.find(message.row, message.slot)
  const attempt = instance?.attempt
  if (instance === undefined || attempt?.kind !== 'accepting' || attempt.ballot !== message.ballot) return
  attempt.votes = addVote(attempt.votes, from)
  decideAccept(context, instance, attempt)
}

function decideAccept(context: Context, instance: Instance, attempt: Accepting): void {
  const { ballot } = attempt
  if (countVotes(attempt.votes) < context.quorums.slow) return
  if (instance.ballot !== ballot || instance.phase !== Phase.accepted || instance.voteBallot !== ballot) return
  if (attempt.recovery) context.counts.recovered++
  decide(context, instance, ballot, instance.command, instance.deps as Vector, {
    holders: attempt.holders | attempt.votes,
    durably: false,
  })
}
