import { answerCommit } from './commit.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'

/**
 * The instance that a peer asks something about, made if it is not known here; null if it is committed: then the peer
 * gets its Commit, whatever it asked.
 */
export function requested(context: Context, from: number, row: number, slot: number): Instance | null {
  const instance = context.open(row, slot)
  if (!instance.committed) return instance
  answerCommit(context, instance, from)
  return null
}
