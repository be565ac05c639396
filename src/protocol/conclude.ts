import type { Vector } from '../engine/engine.ts'
import { startAccept } from './accept.ts'
import { assert } from './assert.ts'
import { learnBatch } from './commit.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { Command, type RecoverOk } from './messages.ts'
import { zeros } from './vector.ts'

/** Ends of a recovery (protocol.md §4): what it has found goes through Accept in its ballot. */

/** Carries an accepted value over into the own ballot. */
export function adopt(context: Context, instance: Instance, accepted: RecoverOk): void {
  const attempt = instance.attempt
  assert(attempt !== null, `${instance} is being recovered here`)
  const { command, deps, batch } = accepted
  if (command === Command.batch && batch !== null) learnBatch(context, instance, batch)
  startAccept(context, instance, attempt.ballot, command, deps as Vector, attempt.holders, true)
}

export function acceptNoop(context: Context, instance: Instance): void {
  const attempt = instance.attempt
  assert(attempt !== null, `${instance} is being recovered here`)
  const none = zeros(context.quorums.replicas)
  startAccept(context, instance, attempt.ballot, Command.noop, none, attempt.holders, true)
}
