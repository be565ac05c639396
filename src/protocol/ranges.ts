import type { Vector } from '../engine/engine.ts'
import { coordinatorOf, MAX_BALLOT } from './ballots.ts'
import type { Context, DropReason } from './context.ts'
import {
  type Accept,
  Command,
  type Commit,
  type Heartbeat,
  type InstanceMessage,
  MessageType,
  Phase,
  type RecoverOk,
  type ValidateOk,
} from './messages.ts'
import { reachOf } from './reach.ts'

/**
 * Null if a correct peer can have sent the message: this folder's README lists the range of every field. The codec has
 * checked what needs no knowledge: rows exist, slots count from 1, numbers are whole and below 2^53.
 */
export function whyOutOfRange(context: Context, from: number, message: InstanceMessage): DropReason | null {
  const { epoch, row, slot } = message
  if (epoch !== context.epoch) return 'epoch'
  // An Ask changes nothing here, so it may name any slot.
  if (slot > reachOf(context, row) && message.type !== MessageType.ask) return 'slot'
  return areFieldsInRange(context, from, message) ? null : 'field'
}

function areFieldsInRange(context: Context, from: number, message: InstanceMessage): boolean {
  const { row, slot } = message
  switch (message.type) {
    case MessageType.preAccept:
      return from === row && isComputed(context, message.initDeps, row, slot)
    case MessageType.preAcceptOk:
      return row === context.id && message.ok && isComputed(context, message.deps, row, slot)
    case MessageType.accept:
      return isOf(context, from, message) && isDecision(context, message)
    case MessageType.acceptOk:
      return isOf(context, context.id, message)
    case MessageType.commit:
      return message.ballot <= MAX_BALLOT && isDecision(context, message)
    case MessageType.recover:
      return message.ballot > 0 && isOf(context, from, message)
    case MessageType.recoverOk:
      return message.ballot > 0 && isOf(context, context.id, message) && isAnswer(context, message)
    case MessageType.validate:
      return message.ballot > 0 && isOf(context, from, message) && isComputed(context, message.deps, row, slot)
    case MessageType.validateOk:
      return message.ballot > 0 && isOf(context, context.id, message) && areConflicts(context, message)
    case MessageType.waiting:
      return message.count >= 1 && message.count <= context.quorums.replicas
    case MessageType.nack:
      return message.ballot > 0 && message.ballot <= MAX_BALLOT
    case MessageType.tryRecover:
    case MessageType.ask:
    case MessageType.truncated:
      return true
  }
}

/**
 * Whether a correct peer can have sent the heartbeat: what has executed is committed, and what has executed at every
 * member has executed there, and is committed here.
 */
export function isHeartbeatInRange(context: Context, { epoch, committed, executed, floor }: Heartbeat): boolean {
  return (
    epoch === context.epoch &&
    executed.every((slot, row) => slot <= (committed[row] as number)) &&
    floor.every((slot, row) => slot <= Math.min(executed[row] as number, context.row(row).committedPrefix))
  )
}

type Balloted = InstanceMessage & { readonly ballot: number }

/** Whether the ballot belongs to the replica, and leaves room for higher ones. */
function isOf(context: Context, replica: number, message: Balloted): boolean {
  return (
    coordinatorOf(message.row, message.ballot, context.quorums.replicas) === replica && message.ballot <= MAX_BALLOT
  )
}

/**
 * Whether a replica can have computed the vector for the instance: its own row ends below it, and the others are within
 * reach.
 */
function isComputed(context: Context, deps: Vector, row: number, slot: number): boolean {
  return deps[row] === slot - 1 && deps.every((last, r) => r === row || last <= reachOf(context, r))
}

/** A no-op depends on nothing. */
function isDecision(
  context: Context,
  { row, slot, command, deps }: Pick<Accept | Commit, 'row' | 'slot' | 'command' | 'deps'>,
): boolean {
  return command === Command.noop ? deps.every((last) => last === 0) : isComputed(context, deps, row, slot)
}

function isAnswer(context: Context, message: RecoverOk): boolean {
  const { row, slot, ballot, voteBallot, phase, command, ok, initDeps, deps, batch } = message
  if (!ok || voteBallot >= ballot || (voteBallot > 0 && phase !== Phase.accepted)) return false
  if (initDeps !== null && !isComputed(context, initDeps, row, slot)) return false
  switch (phase) {
    case Phase.none:
      return true
    case Phase.preAccepted:
      return isComputed(context, deps as Vector, row, slot)
    case Phase.accepted:
      return (
        (command === Command.noop || batch !== null) &&
        isDecision(context, { row, slot, command, deps: deps as Vector })
      )
    case Phase.committed:
      // Case a comes as a Commit: counted as an answer, a decision would look like an answer that knows nothing.
      return false
  }
}

function areConflicts(context: Context, { row, slot, conflicts }: ValidateOk): boolean {
  return conflicts.every((x) => x.slot <= reachOf(context, x.row) && (x.row !== row || x.slot !== slot))
}
