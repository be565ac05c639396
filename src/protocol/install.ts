import type { Footprint } from '../engine/footprint.ts'
import { assert, contradiction } from './assert.ts'
import type { Context } from './context.ts'
import type { ExecutedPart, ImageHead, ImagePart } from './image.ts'
import type { Instance } from './instance.ts'
import { Command } from './messages.ts'
import { wakeReads } from './reads.ts'
import { contains, executedOf } from './runs.ts'
import { equal, union } from './vector.ts'

/** What this replica's clients are told after an install. */
export interface Installed {
  /** Own slots whose batches have executed elsewhere: their results are not known here. */
  readonly executedElsewhere: readonly number[]
}

/** An instance in the conflict index of this replica, or to be entered there. */
interface Indexed {
  readonly row: number
  readonly slot: number
  readonly footprint: Footprint | null
}

/**
 * Takes over what has executed at the replica that made the image (protocol.md §10, "Install, never merge"). The image
 * contains everything that has executed here; so does the state that replaces the one of this replica. Of instances
 * that have executed in neither, this replica keeps what it knows, promised and voted, and takes nothing from the
 * image: what is committed here and not in the image executes again.
 *
 * Nothing of it is durable, and nothing of it is announced, before {@link DurablyExecuted.settle}.
 */
export function install(context: Context, parts: Iterable<ImagePart>): Installed {
  const iterator = parts[Symbol.iterator]()
  const first = iterator.next().value as ImagePart | undefined
  assert(first?.kind === 'head', 'an image begins with its head')
  const { head } = first
  checkHead(context, head)
  const indexed = indexOf(context)
  const executedElsewhere: number[] = []
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    const part = next.value
    // Its open instances and its votes are its own.
    if (part.kind !== 'executed' || context.executed.has(part.executed.row, part.executed.slot)) continue
    const { row, slot, isNoop } = part.executed
    // The index is about payloads: a no-op's, too, which the giver may never have seen.
    const footprint = part.executed.footprint ?? context.find(row, slot)?.batch?.footprint ?? null
    takeOver(context, part.executed)
    indexed.push({ row, slot, footprint })
    if (row === context.id && !isNoop) executedElsewhere.push(slot)
  }
  context.executed.restore(head.executed, head.beyond)
  context.durably.hold(executedOf(head.executed, head.beyond))
  context.floor = union(context.floor, head.floor)
  for (const row of context.rows) {
    row.advanceCommitted()
    // An own slot that has executed is in use, whoever remembers it.
    if (row.row === context.id) context.slot = Math.max(context.slot, row.highest)
  }
  rebuild(context, indexed)
  for (const { row, slot } of indexed) wakeReads(context, row, slot)
  context.onCommitted(context)
  return { executedElsewhere }
}

function checkHead(context: Context, head: ImageHead): void {
  assert(head.epoch === context.epoch, 'an image of this epoch is installed')
  const { executed, rows } = context
  const here = executedOf(
    executed.vector,
    rows.map(({ row }) => executed.beyond(row)),
  )
  assert(contains(executedOf(head.executed, head.beyond), here), 'an image contains what has executed here')
  // What is forgotten there has executed, durably, at every member.
  const isKnown = head.dropped.every((slot, row) => slot <= executed.prefix(row))
  if (!isKnown) throw contradiction('a peer has forgotten what this replica never said to have executed')
}

/** What has executed here and is not forgotten. */
function indexOf({ rows, executed, engine }: Context): Indexed[] {
  const indexed: Indexed[] = []
  for (const { row, dropped } of rows) {
    const add = (slot: number) => indexed.push({ row, slot, footprint: engine.footprint(row, slot) })
    for (let slot = dropped + 1; slot <= executed.prefix(row); slot++) add(slot)
    for (const slot of executed.beyond(row)) add(slot)
  }
  return indexed
}

/** The instance has executed elsewhere: what is kept of it is what the image says, and where its batch is here. */
function takeOver(context: Context, part: ExecutedPart): void {
  const { row, slot, isNoop, deps, footprint } = part
  const command = isNoop ? Command.noop : Command.batch
  const known = context.find(row, slot)
  if (known?.committed) {
    const isSame = known.command === command && (isNoop || equal(known.deps ?? [], deps))
    if (!isSame) throw contradiction(`a peer has executed ${known} with another outcome`)
  }
  if (known !== undefined) endAttempt(context, known)
  if (isNoop && row === context.id && known !== undefined) context.reject(known)
  const { batchNumber = 0, batchIndex = 0 } = known ?? {}
  // As a Commit would set them.
  const ballot = Math.max(known?.ballot ?? 0, part.voteBallot)
  const voteBallot = Math.max(known?.voteBallot ?? 0, part.voteBallot)
  const outcome = { command, deps, ballot, voteBallot, batchNumber, batchIndex }
  // A batch that is in no journal here may have to be told to a third member.
  const isInJournal = context.readBatch !== null && batchNumber > 0
  const batch = isNoop || isInJournal ? null : (known?.batch ?? part.batch)
  context.row(row).replaceByKept(slot, outcome, batch)
  assert(isNoop || footprint !== null, `the batch of ${row}.${slot} has a footprint`)
}

function endAttempt(context: Context, instance: Instance): void {
  instance.attempt = null
  context.impatient.delete(instance)
  context.waits.delete(instance)
}

/** The order begins anew: what has executed is only indexed, what is committed is to be executed. */
function rebuild(context: Context, indexed: readonly Indexed[]): void {
  const { engine, rows } = context
  engine.restart(context.dropped)
  for (const { row, slot, footprint } of indexed) engine.enterExecuted(row, slot, footprint)
  for (const row of rows) {
    for (const instance of row.open) {
      if (instance.batch !== null) engine.enter(row.row, instance.slot, instance.batch.footprint)
      // A commit that was decided here may still wait for its record.
      if (instance.committed) context.execute(instance, true)
    }
  }
}
