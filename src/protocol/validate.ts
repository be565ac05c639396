import type { Vector } from '../engine/engine.ts'
import { startAccept } from './accept.ts'
import { assert } from './assert.ts'
import type { Recovering, Validating } from './attempt.ts'
import { learnBatch } from './commit.ts'
import { acceptNoop } from './conclude.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { type Batch, Command, type Conflict, MessageType, Phase, type Validate, type ValidateOk } from './messages.ts'
import { RecordType } from './records.ts'
import { requested } from './request.ts'
import { includes } from './vector.ts'
import { addVote, countVotes, hasVote, type Votes } from './votes.ts'
import { invalidates, startWait } from './wait.ts'

/** Case e of a recovery: asks all of Q what would invalidate the command, with its own answer first. */
export function startValidate(
  context: Context,
  instance: Instance,
  recovery: Recovering,
  count: number,
  batch: Batch,
  deps: Vector,
): void {
  const attempt: Validating = {
    kind: 'validating',
    ballot: recovery.ballot,
    holders: recovery.holders,
    sentMs: context.nowMs,
    quorum: recovery.answered,
    count,
    batch,
    deps,
    late: [],
    answered: 0,
    conflicts: new Map(),
  }
  instance.attempt = attempt
  resendValidate(context, instance, attempt, ~0)
  const own = validate(context, instance, batch, deps)
  countValidateOk(context, instance, attempt, context.id, own)
}

/** Sends Validate to those of `to` that are in Q and have not answered. */
export function resendValidate(context: Context, instance: Instance, attempt: Validating, to: Votes): void {
  const message: Validate = {
    type: MessageType.validate,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: attempt.ballot,
    deps: attempt.deps,
    batch: attempt.batch,
  }
  for (const peer of context.peers.others) {
    if (hasVote(to & attempt.quorum & ~attempt.answered, peer)) context.send(peer, instance, message)
  }
}

export function onValidate(context: Context, from: number, message: Validate): void {
  const { row, slot, ballot } = message
  const instance = requested(context, from, row, slot)
  if (instance === null) return
  if (ballot < instance.ballot) {
    const nack = { type: MessageType.nack, epoch: context.epoch, row, slot, ballot: instance.ballot }
    return context.send(from, instance, nack)
  }
  // The phase guards against duplicates: without it Agreement breaks.
  if (ballot !== instance.ballot || instance.phase === Phase.accepted) return
  const conflicts = validate(context, instance, message.batch, message.deps)
  const validateOk: ValidateOk = { type: MessageType.validateOk, epoch: context.epoch, row, slot, ballot, conflicts }
  context.send(from, instance, validateOk)
}

/** Stores the initial command and dependencies, enters the command into the conflict index, and returns I. */
function validate(context: Context, instance: Instance, batch: Batch, deps: Vector): Conflict[] {
  assert(
    instance.phase === Phase.none || instance.phase === Phase.preAccepted,
    `${instance} is validated before it is accepted`,
  )
  learnBatch(context, instance, batch)
  context.record(instance, {
    type: RecordType.val,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    initDeps: deps,
    batch: context.batchToRecord(instance),
  })
  context.mention(deps)
  return invalidating(context, instance, batch, deps)
}

/** I of protocol.md §4: over every indexed instance outside the prefix, not only the highest of each row. */
function invalidating(context: Context, instance: Instance, batch: Batch, deps: Vector): Conflict[] {
  const { row, slot } = instance
  const open: Conflict[] = []
  for (const id of context.engine.conflicts(row, slot, batch.footprint, deps)) {
    const other = context.find(id.row, id.slot)
    assert(other !== undefined, `${id.row}.${id.slot} is indexed, so it is known`)
    if (other.committed) {
      // A committed one decides alone, so the others need not be sent with it.
      if (invalidates(other, row, slot)) return [{ row: id.row, slot: id.slot, phase: Phase.committed }]
    } else if (other.initDeps !== null && !includes(other.initDeps, row, slot)) {
      open.push({ row: id.row, slot: id.slot, phase: other.phase })
    }
  }
  return open
}

export function onValidateOk(context: Context, from: number, message: ValidateOk): void {
  const instance = context.find(message.row, message.slot)
  const attempt = instance?.attempt
  if (instance === undefined || attempt?.kind !== 'validating' || attempt.ballot !== message.ballot) return
  if (!hasVote(attempt.quorum, from) || hasVote(attempt.answered, from)) return
  attempt.holders = addVote(attempt.holders, from)
  countValidateOk(context, instance, attempt, from, message.conflicts)
}

function countValidateOk(
  context: Context,
  instance: Instance,
  attempt: Validating,
  from: number,
  conflicts: readonly Conflict[],
): void {
  attempt.answered = addVote(attempt.answered, from)
  for (const conflict of conflicts) {
    const key = `${conflict.row}.${conflict.slot}`
    if (attempt.conflicts.get(key)?.phase !== Phase.committed) attempt.conflicts.set(key, conflict)
    context.row(conflict.row).mention(conflict.slot)
  }
  if (attempt.answered === attempt.quorum) decideValidate(context, instance, attempt)
}

function decideValidate(context: Context, instance: Instance, attempt: Validating): void {
  const conflicts: Conflict[] = []
  for (const conflict of attempt.conflicts.values()) {
    const known = context.find(conflict.row, conflict.slot)
    if (!known?.committed) conflicts.push(conflict)
    else if (invalidates(known, instance.row, instance.slot)) conflicts.push({ ...conflict, phase: Phase.committed })
  }
  if (conflicts.length === 0) {
    return startAccept(context, instance, attempt.ballot, Command.batch, attempt.deps, attempt.holders, true)
  }
  const least = attempt.count === countVotes(attempt.quorum) - context.quorums.fastCrashes
  const impossible = conflicts.some((x) => x.phase === Phase.committed || (least && !hasVote(attempt.quorum, x.row)))
  if (impossible) return acceptNoop(context, instance)
  startWait(context, instance, attempt, conflicts)
}
