import { mayAnswer } from './allowance.ts'
import { answerCommit } from './commit.ts'
import type { Context } from './context.ts'
import { answerTruncated } from './forgotten.ts'
import type { Instance } from './instance.ts'

/**
 * The instance that a peer asks something about, made if it is not known here. Null if it is decided: then the peer
 * gets its Commit, or Truncated if that is forgotten, whatever it asked.
 */
export function requested(context: Context, from: number, row: number, slot: number): Instance | null {
  if (context.isForgotten(row, slot)) {
    if (mayAnswer(context, from)) answerTruncated(context, from, row, slot)
    return null
  }
  const instance = context.open(row, slot)
  if (!instance.committed) return instance
  answerCommit(context, instance, from)
  return null
}
