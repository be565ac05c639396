import type { Vector } from '../engine/engine.ts'
import { chargeAnswer, mayAnswer } from './allowance.ts'
import { assert, contradiction } from './assert.ts'
import type { Context } from './context.ts'
import { answerTruncated, lackingFrom } from './forgotten.ts'
import type { Instance } from './instance.ts'
import { type Batch, Command, type Commit, MessageType } from './messages.ts'
import { wakeReads } from './reads.ts'
import { type ComRecord, RecordType } from './records.ts'
import { equal, zeros } from './vector.ts'
import { hasVote, type Votes } from './votes.ts'

/** The batch of an instance became known: from now on it is in the conflict index, whatever happens to the instance. */
export function learnBatch(context: Context, instance: Instance, batch: Batch): void {
  if (instance.known) return
  instance.learn(batch)
  context.engine.enter(instance.row, instance.slot, batch.footprint)
  wakeReads(context, instance.row, instance.slot)
}

/**
 * This replica, as its coordinator, decides the instance and tells all. `durably`: only the commit record itself proves
 * the decision (a fast commit), so the message, the execution and the answer wait for it.
 */
export function decide(
  context: Context,
  instance: Instance,
  ballot: number,
  command: Command,
  deps: Vector,
  how: { readonly holders: Votes; readonly durably: boolean },
): void {
  commit(context, instance, ballot, command, deps, how)
  tell(context, instance, how.holders)
}

function tell(context: Context, instance: Instance, holders: Votes): void {
  const bare = commitMessage(context, instance, false)
  // In ballot 0 the batch is already on its way to everyone; a replica that missed it asks.
  const whole = instance.voteBallot === 0 ? bare : commitMessage(context, instance, true)
  for (const peer of context.peers.others) {
    context.send(peer, instance, hasVote(holders, peer) ? bare : whole)
  }
}

function commitMessage(context: Context, instance: Instance, whole: boolean): Commit {
  return {
    type: MessageType.commit,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: instance.voteBallot,
    command: instance.command,
    deps: instance.deps as Vector,
    batch: whole && instance.command === Command.batch ? batchOf(context, instance) : null,
  }
}

/**
 * The batch of a committed instance, read back from the journal if it has left memory; null if the journal holds it no
 * longer, or if all members have executed it.
 */
function batchOf(context: Context, instance: Instance): Batch | null {
  if (instance.batch !== null || context.readBatch === null) return instance.batch
  return instance.batchNumber === 0 ? null : context.readBatch(instance.batchNumber, instance.batchIndex)
}

/** Any request about an instance that is committed here is answered with its Commit, including the batch. */
export function answerCommit(context: Context, instance: Instance, to: number): void {
  if (!mayAnswer(context, to)) return
  sendCommit(context, instance, to, () => answerTruncated(context, to, instance.row, instance.slot))
}

/**
 * Sends the whole Commit; returns the bytes of the batch. If that is gone, the Commit goes without it, and behind what
 * `gone` sends: who has the batch needs nothing else, and who has not needs a checkpoint.
 */
export function sendCommit(context: Context, instance: Instance, to: number, gone: () => void): number {
  const message = commitMessage(context, instance, true)
  if (message.command === Command.batch && message.batch === null) gone()
  const bytes = message.batch === null ? 0 : batchBytes(message.batch)
  chargeAnswer(context, to, bytes)
  context.send(to, instance, message)
  return bytes
}

export function batchBytes({ commands, footprint }: Batch): number {
  return commands.length + footprint.byteLength
}

function commit(
  context: Context,
  instance: Instance,
  ballot: number,
  command: Command,
  deps: Vector,
  how: { readonly durably: boolean } | null,
): void {
  assert(!instance.committed, `${instance} is committed once`)
  assert(command === Command.noop || instance.known, `${instance} is committed with a known batch`)
  instance.attempt = null
  context.impatient.delete(instance)
  context.waits.delete(instance)
  const isNoop = command === Command.noop
  const record: ComRecord = {
    type: RecordType.com,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    ballot: Math.max(instance.voteBallot, ballot),
    command,
    deps: isNoop ? zeros(context.quorums.replicas) : deps,
    batch: isNoop ? null : context.batchToRecord(instance),
  }
  if (how?.durably) context.record(instance, record)
  else context.recordLazily(instance, record)
  enterCommitted(context, instance)
  context.execute(instance, how !== null)
  if (isNoop && instance.row === context.id) context.reject(instance)
  if (isNoop) wakeReads(context, instance.row, instance.slot)
  if (context.waits.size > 0) context.onCommitted(context)
}

/** The consequences of a commit, at run time and in a replay. */
export function enterCommitted(context: Context, instance: Instance): void {
  if (instance.command === Command.noop) context.counts.noop++
  context.mention(instance.deps as Vector)
  context.row(instance.row).advanceCommitted()
}

/** Decisions are final: a Commit counts whatever the own ballot is. */
export function onCommit(context: Context, from: number, message: Commit): void {
  if (context.isForgotten(message.row, message.slot)) return
  const instance = context.open(message.row, message.slot)
  if (instance.committed) {
    if (contradicts(context, instance, message)) {
      throw contradiction(`replica ${from} has committed ${instance} with another outcome`)
    }
    return
  }
  if (message.command === Command.batch && message.batch !== null) learnBatch(context, instance, message.batch)
  if (message.command === Command.batch && !instance.known) return askFor(context, instance, from)
  const attempt = instance.attempt
  commit(context, instance, message.ballot, message.command, message.deps, null)
  // A coordinator passes it on.
  if (attempt !== null) tell(context, instance, attempt.holders)
}

/**
 * Whether the Commit contradicts a committed instance. An instance has one payload for ever, so a second payload is a
 * contradiction as well.
 */
function contradicts(context: Context, instance: Instance, { command, deps, batch }: Commit): boolean {
  if (instance.command !== command) return true
  if (command === Command.noop) return false
  if (!equal(instance.deps as Vector, deps)) return true
  const own = batch === null ? null : batchOf(context, instance)
  return batch !== null && own !== null && !sameBytes(own.commands, batch.commands)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** The batch is missing: asks the sender of a message that assumes it is known, unless it has said that it is gone. */
export function askFor(context: Context, instance: Instance, from: number): void {
  if (instance.askedMs > 0 && context.nowMs < instance.askedMs + context.timing.askMs) return
  if (lackingFrom(context, from) !== null) return
  instance.askedMs = Math.max(1, context.nowMs)
  context.sendFreely(from, {
    type: MessageType.ask,
    epoch: context.epoch,
    row: instance.row,
    slot: instance.slot,
    count: 1,
  })
}
