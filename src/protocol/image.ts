import type { Vector } from '../engine/engine.ts'
import type { Footprint } from '../engine/footprint.ts'
import { assert } from './assert.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { type Batch, Command, Phase } from './messages.ts'
import { type InstanceRecord, RecordType } from './records.ts'
import { replay } from './replay.ts'

/** What has executed, and what is forgotten. */
export interface ImageHead {
  readonly epoch: number
  /** The highest own slot in use. */
  readonly slot: number
  /** A: every member has executed this, durably (protocol.md §10). */
  readonly floor: Vector
  /** This is forgotten. */
  readonly dropped: Vector
  /** Per row: every slot up to here has executed. */
  readonly executed: Vector
  /** Per row: the executed slots after the first gap, ascending. */
  readonly beyond: readonly (readonly number[])[]
}

/** An executed instance that is not forgotten. */
export interface ExecutedPart {
  readonly row: number
  readonly slot: number
  readonly isNoop: boolean
  readonly deps: Vector
  /** Of its commit. */
  readonly voteBallot: number
  /** Null for a no-op whose batch was never known. */
  readonly footprint: Footprint | null
  /** The journal value and the record in it that hold the batch; 0 if none does. */
  readonly batchNumber: number
  readonly batchIndex: number
  /** The batch, if no journal holds it and some member may still ask for it. */
  readonly batch: Batch | null
}

/** An image consists of its head, the executed instances, and what is known of the others, in this order. */
export type ImagePart =
  | { readonly kind: 'head'; readonly head: ImageHead }
  | { readonly kind: 'executed'; readonly executed: ExecutedPart }
  | { readonly kind: 'open'; readonly record: InstanceRecord }

/**
 * The core's part in a checkpoint (protocol.md §10), as of the call that made it, although it is read later: what has
 * executed does not change, and nothing is forgotten until {@link release}.
 */
export class Image {
  readonly head: ImageHead
  readonly #context: Context
  readonly #number: number
  readonly #open: readonly InstanceRecord[]
  #held = true

  constructor(context: Context) {
    const { executed } = context
    this.#context = context
    this.#number = context.nextNumber - 1
    this.head = {
      epoch: context.epoch,
      slot: context.slot,
      floor: context.floor,
      dropped: context.dropped,
      executed: executed.vector,
      beyond: context.rows.map(({ row }) => executed.beyond(row)),
    }
    this.#open = context.rows.flatMap((row) => [...row.open].flatMap((instance) => recordsOf(context, instance)))
    context.images++
  }

  *parts(): Generator<ImagePart> {
    assert(this.#held, 'an image is read before it is released')
    yield { kind: 'head', head: this.head }
    const { dropped, executed, beyond } = this.head
    for (const [row, last] of executed.entries()) {
      for (let slot = (dropped[row] as number) + 1; slot <= last; slot++) yield this.#executed(row, slot)
      for (const slot of beyond[row] as readonly number[]) yield this.#executed(row, slot)
    }
    for (const record of this.#open) yield { kind: 'open', record }
  }

  /** It was read, or will not be: the replica may forget again. */
  release(): void {
    if (this.#held) this.#context.images--
    this.#held = false
  }

  #executed(row: number, slot: number): ImagePart {
    const { kept } = this.#context.row(row)
    const outcome = kept.outcome(slot)
    assert(outcome !== undefined, `${row}.${slot} is kept while an image is read`)
    const { command, deps, voteBallot, batchNumber, batchIndex } = outcome
    // What is not in the journal yet may never be, and another value may get its number.
    const isWritten = batchNumber > 0 && batchNumber <= this.#number
    return {
      kind: 'executed',
      executed: {
        row,
        slot,
        isNoop: command === Command.noop,
        deps,
        voteBallot,
        footprint: this.#context.engine.footprint(row, slot),
        batchNumber: isWritten ? batchNumber : 0,
        batchIndex: isWritten ? batchIndex : 0,
        batch: kept.batch(slot),
      },
    }
  }
}

/** Everything that a restart must find of an instance that has not executed, as the records that make it. */
export function recordsOf({ epoch }: Context, instance: Instance): InstanceRecord[] {
  const { row, slot, phase, ballot, voteBallot, command, mode, ok, initDeps } = instance
  const deps = instance.deps as Vector
  const about = { epoch, row, slot }
  const records: InstanceRecord[] = []
  // The first record that can carries it.
  let carried: Batch | null = instance.batch
  const carry = (): Batch | null => {
    const batch = carried
    carried = null
    return batch
  }
  if (phase === Phase.preAccepted) {
    const batch = carry() as Batch
    records.push({ type: RecordType.pre, ...about, mode, ok, initDeps: initDeps as Vector, deps, batch })
  } else if (initDeps !== null) records.push({ type: RecordType.val, ...about, initDeps, batch: carry() })
  else if (command === Command.noop && carried !== null) {
    // It was accepted as its batch once, and as a no-op later.
    records.push({ type: RecordType.acc, ...about, ballot: voteBallot, command: Command.batch, deps, batch: carry() })
  }
  if (phase === Phase.accepted || phase === Phase.committed) {
    const type = phase === Phase.accepted ? RecordType.acc : RecordType.com
    const batch = command === Command.batch ? carry() : null
    records.push({ type, ...about, ballot: voteBallot, command, deps, batch })
  }
  if (ballot > (records.length > 0 ? voteBallot : 0)) records.push({ type: RecordType.bal, ...about, ballot })
  return records
}

/** Takes over one part of an image, in order, before the replay of what the journal holds behind it. */
export function restore(context: Context, part: ImagePart): void {
  switch (part.kind) {
    case 'head':
      return restoreHead(context, part.head)
    case 'executed':
      return restoreExecuted(context, part.executed)
    case 'open':
      return replay(context, part.record, 0, 0)
  }
}

function restoreHead(context: Context, { slot, floor, dropped, executed, beyond }: ImageHead): void {
  context.slot = slot
  context.floor = floor
  context.executed.restore(executed, beyond)
  context.durably.set.restore(executed, beyond)
  for (const row of context.rows) row.restore(dropped[row.row] as number, executed[row.row] as number)
  context.engine.restart(dropped)
}

function restoreExecuted(context: Context, part: ExecutedPart): void {
  const { row, slot, isNoop, deps, voteBallot, footprint, batchNumber, batchIndex, batch } = part
  const command = isNoop ? Command.noop : Command.batch
  const outcome = { command, deps, ballot: voteBallot, voteBallot, batchNumber, batchIndex }
  context.row(row).restoreKept(slot, outcome, batch)
  context.engine.enterExecuted(row, slot, footprint)
}

/** The head of the image with which an epoch begins. */
export function nothingExecuted(epoch: number, replicas: number): ImageHead {
  const zeros = new Array<number>(replicas).fill(0)
  const beyond = zeros.map(() => [])
  return { epoch, slot: 0, floor: zeros, dropped: zeros, executed: zeros, beyond }
}

/** An image that consists of its head. */
export function imageOfNothing(head: ImageHead): Pick<Image, 'head' | 'parts' | 'release'> {
  function* parts(): Generator<ImagePart> {
    yield { kind: 'head', head }
  }
  return { head, parts, release: () => {} }
}
