import type { Vector } from '../engine/engine.ts'
import { startAccept } from './accept.ts'
import { assert } from './assert.ts'
import type { PreAccepting } from './attempt.ts'
import { decide } from './commit.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { type Batch, Command, MessageType, Mode, Phase, type PreAccept, type PreAcceptOk } from './messages.ts'
import { wakeReads } from './reads.ts'
import { RecordType } from './records.ts'
import { requested } from './request.ts'
import { equal, union } from './vector.ts'
import { addVote, countVotes, hasVote, type Votes } from './votes.ts'

/** Proposes a batch under the next own slot: `propose` of protocol.md §3. */
export function propose(context: Context, batch: Batch): Instance {
  const instance = context.open(context.id, context.slot + 1)
  assert(instance.phase === Phase.none && instance.ballot === 0, `own slot ${instance} is unused`)
  // What every member has executed may be forgotten, and is then in no index (protocol.md §10).
  const deps = union(context.engine.dependencies(instance.row, instance.slot, batch.footprint), context.floor)
  instance.learn(batch)
  preAccept(context, instance, Mode.all, deps, deps)
  const self = addVote(0, context.id)
  const attempt: PreAccepting = {
    kind: 'preAccepting',
    ballot: 0,
    holders: self,
    sentMs: context.nowMs,
    answered: self,
    equal: self,
    refused: 0,
    union: deps,
    patienceMs: 0,
  }
  instance.attempt = attempt
  context.broadcast(instance, preAcceptMessage(context, instance))
  decidePreAccept(context, instance, attempt)
  return instance
}

function preAccept(context: Context, instance: Instance, mode: Mode, initDeps: Vector, deps: Vector): void {
  const batch = instance.batch
  assert(batch !== null, `${instance} is pre-accepted with its batch`)
  context.record(instance, {
    type: RecordType.pre,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    mode,
    ok: true,
    initDeps,
    deps,
    batch,
  })
  context.mention(deps)
  wakeReads(context, instance.row, instance.slot)
}

function preAcceptMessage(context: Context, instance: Instance): PreAccept {
  return {
    type: MessageType.preAccept,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    mode: instance.mode,
    initDeps: instance.initDeps as Vector,
    batch: instance.batch as Batch,
  }
}

/** Sends PreAccept again, to the one peer or to all that have not answered. */
export function resendPreAccept(context: Context, instance: Instance, attempt: PreAccepting, to: Votes): void {
  const message = preAcceptMessage(context, instance)
  for (const peer of context.peers.others) {
    if (hasVote(to, peer) && !hasVote(attempt.answered, peer)) context.send(peer, instance, message)
  }
}

export function onPreAccept(context: Context, from: number, message: PreAccept): void {
  const { row, slot, initDeps } = message
  const instance = requested(context, from, row, slot)
  if (instance === null) return
  if (instance.ballot > 0) {
    const nack = { type: MessageType.nack, epoch: context.epoch, row, slot, ballot: instance.ballot }
    return context.send(from, instance, nack)
  }
  if (instance.phase === Phase.none) {
    instance.learn(message.batch)
    const known = union(context.engine.dependencies(row, slot, message.batch.footprint), context.dropped)
    preAccept(context, instance, message.mode, initDeps, union(initDeps, known))
  }
  // A repeated PreAccept gets the stored reply, never a recomputed one. If Accept(0) has overtaken it, it gets none.
  if (instance.phase === Phase.preAccepted) context.send(from, instance, preAcceptOk(context, instance))
}

function preAcceptOk(context: Context, instance: Instance): PreAcceptOk {
  return {
    type: MessageType.preAcceptOk,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ok: instance.ok,
    deps: instance.deps as Vector,
  }
}

export function onPreAcceptOk(context: Context, from: number, message: PreAcceptOk): void {
  const instance = context.find(message.row, message.slot)
  const attempt = instance?.attempt
  if (instance === undefined || attempt?.kind !== 'preAccepting') {
    // A later Accept also needs to know who holds the batch.
    if (attempt) attempt.holders = addVote(attempt.holders, from)
    return
  }
  if (hasVote(attempt.answered, from)) return
  attempt.answered = addVote(attempt.answered, from)
  attempt.holders = addVote(attempt.holders, from)
  if (equal(message.deps, instance.initDeps as Vector)) attempt.equal = addVote(attempt.equal, from)
  else attempt.union = union(attempt.union, message.deps)
  decidePreAccept(context, instance, attempt)
}

/** The peer has promised a higher ballot: it will not answer the PreAccept. */
export function onPreAcceptRefused(context: Context, from: number, instance: Instance, attempt: PreAccepting): void {
  attempt.refused = addVote(attempt.refused, from)
  decidePreAccept(context, instance, attempt)
}

/**
 * Fast as soon as n − e replies equal the initial dependencies, whatever others say. Slow as soon as that has become
 * impossible and n − f have answered. While it is possible, the coordinator waits for it, for a bounded time.
 */
export function decidePreAccept(context: Context, instance: Instance, attempt: PreAccepting): void {
  const { fast, slow } = context.quorums
  const equals = countVotes(attempt.equal)
  if (equals >= fast) {
    context.counts.fast++
    return decide(context, instance, 0, Command.batch, instance.initDeps as Vector, {
      holders: attempt.holders,
      durably: true,
    })
  }
  if (countVotes(attempt.answered) < slow) return
  if (equals + outstanding(context, attempt) >= fast) {
    if (attempt.patienceMs === 0) {
      attempt.patienceMs = context.nowMs + patience(context, attempt)
      context.impatient.add(instance)
    }
    if (context.nowMs < attempt.patienceMs) return
  }
  context.counts.slow++
  startAccept(context, instance, 0, Command.batch, attempt.union, attempt.holders, false)
}

function outstanding(context: Context, attempt: PreAccepting): number {
  let count = 0
  for (const peer of context.peers.others) if (awaited(context, attempt, peer)) count++
  return count
}

function awaited(context: Context, attempt: PreAccepting, peer: number): boolean {
  return context.peers.alive(peer) && !hasVote(attempt.answered, peer) && !hasVote(attempt.refused, peer)
}

/** How much longer the nearest peer that has not answered may take: its measured round trip, and half as much again. */
function patience(context: Context, attempt: PreAccepting): number {
  let nearest = context.timing.patienceMs
  for (const peer of context.peers.others) {
    const { roundTripMs } = context.peers.of(peer)
    if (awaited(context, attempt, peer) && roundTripMs > 0) nearest = Math.min(nearest, roundTripMs * 1.5)
  }
  const waited = context.nowMs - attempt.sentMs
  return Math.max(1, nearest - waited)
}
