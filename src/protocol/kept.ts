import type { Vector } from '../engine/engine.ts'
import { assert } from './assert.ts'
import { Instance } from './instance.ts'
import { type Batch, Command, Phase } from './messages.ts'

/** What remains of an instance that has executed, until every member has executed it (protocol.md §10). */
export interface Outcome {
  /** `batch` or `noop`. */
  readonly command: Command
  readonly deps: Vector
  readonly ballot: number
  readonly voteBallot: number
  /** The journal value and the record in it that hold the batch; 0 if none does. */
  readonly batchNumber: number
  readonly batchIndex: number
}

const NOTHING = 0
const BATCH = 1
const NOOP = 2

/** Slots of a block. */
const SLOTS = 512
const WORD = 2 ** 32

/** What is kept of one executed instance takes so much memory, besides its footprint. */
export function outcomeBytes(replicas: number): number {
  return 13 + 4 * replicas
}

/** The outcomes of neighbouring slots in flat arrays: {@link outcomeBytes} for each. */
class Block {
  count = 0
  readonly state = new Uint8Array(SLOTS)
  readonly numbers = new Float64Array(SLOTS)
  readonly indexes = new Uint32Array(SLOTS)
  /** The low words of the dependencies; the high words are `high`, or the vector is one of `others`. */
  readonly low: Uint32Array
  /** Those of the first batch. */
  #high: readonly number[] | null = null
  readonly others = new Map<number, Vector>()
  /** Ballots and vote ballots that are not 0: few instances are recovered. */
  readonly ballots = new Map<number, readonly [number, number]>()

  constructor(replicas: number) {
    this.low = new Uint32Array(SLOTS * replicas)
  }

  set(at: number, { command, deps, ballot, voteBallot, batchNumber, batchIndex }: Outcome): void {
    this.count++
    if (ballot > 0) this.ballots.set(at, [ballot, voteBallot])
    this.state[at] = command === Command.noop ? NOOP : BATCH
    this.numbers[at] = batchNumber
    this.indexes[at] = batchIndex
    if (command === Command.noop) return
    this.#high ??= deps.map(highWord)
    const start = at * deps.length
    for (let r = 0; r < deps.length; r++) {
      const slot = deps[r] as number
      // A low word of 0 stands for no dependency on the row.
      if (slot !== 0 && (highWord(slot) !== this.#high[r] || slot % WORD === 0)) this.others.set(at, deps)
      this.low[start + r] = slot
    }
  }

  deps(at: number): Vector {
    const other = this.others.get(at)
    if (other !== undefined) return other
    const replicas = this.low.length / SLOTS
    const low = this.low.subarray(at * replicas, (at + 1) * replicas)
    if (this.state[at] === NOOP) return Array.from(low, () => 0)
    return Array.from(low, (word, r) => (word === 0 ? 0 : (this.#high?.[r] as number) * WORD + word))
  }

  clear(at: number): void {
    this.count--
    this.state[at] = NOTHING
    this.others.delete(at)
    this.ballots.delete(at)
  }
}

/** The executed instances of one row that are not forgotten. */
export class Kept {
  readonly #row: number
  readonly #blocks = new Map<number, Block>()
  /** Batches that no journal holds. */
  readonly #batches = new Map<number, Batch>()
  #size = 0

  constructor(row: number) {
    this.#row = row
  }

  get size(): number {
    return this.#size
  }

  has(slot: number): boolean {
    const block = this.#blocks.get(blockOf(slot))
    return block !== undefined && block.state[slot % SLOTS] !== NOTHING
  }

  /** `batch` where no journal holds it. */
  add(slot: number, outcome: Outcome, batch: Batch | null): void {
    assert(!this.has(slot), `${this.#row}.${slot} is kept once`)
    const number = blockOf(slot)
    let block = this.#blocks.get(number)
    if (block === undefined) {
      block = new Block(outcome.deps.length)
      this.#blocks.set(number, block)
    }
    block.set(slot % SLOTS, outcome)
    if (batch !== null) this.#batches.set(slot, batch)
    this.#size++
  }

  outcome(slot: number): Outcome | undefined {
    const block = this.#blocks.get(blockOf(slot))
    const at = slot % SLOTS
    const state = block?.state[at] ?? NOTHING
    if (block === undefined || state === NOTHING) return undefined
    return {
      command: state === NOOP ? Command.noop : Command.batch,
      deps: block.deps(at),
      ballot: block.ballots.get(at)?.[0] ?? 0,
      voteBallot: block.ballots.get(at)?.[1] ?? 0,
      batchNumber: block.numbers[at] as number,
      batchIndex: block.indexes[at] as number,
    }
  }

  /** The batch, if no journal holds it and it is not forgotten. */
  batch(slot: number): Batch | null {
    return this.#batches.get(slot) ?? null
  }

  /** The instance as far as it is kept; changing it has no effect. */
  find(slot: number): Instance | undefined {
    const outcome = this.outcome(slot)
    if (outcome === undefined) return undefined
    const instance = new Instance(this.#row, slot)
    instance.kept = true
    instance.phase = Phase.committed
    instance.known = outcome.command === Command.batch
    instance.batch = this.batch(slot)
    return Object.assign(instance, outcome)
  }

  /** The journal value and the record in it that hold the batch of an executed instance. */
  setPlace(slot: number, number: number, index: number): void {
    const block = this.#blocks.get(blockOf(slot))
    const at = slot % SLOTS
    if (block === undefined || block.state[at] !== BATCH) return
    block.numbers[at] = number
    block.indexes[at] = index
  }

  /** The lowest journal value that holds a batch of a slot above `slot`; Infinity if none does. */
  lowestValueAfter(slot: number): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const [number, block] of this.#blocks) {
      if ((number + 1) * SLOTS <= slot) continue
      for (let at = 0; at < SLOTS; at++) {
        const value = block.numbers[at] as number
        if (block.state[at] === BATCH && value > 0 && value < lowest && number * SLOTS + at > slot) lowest = value
      }
    }
    return lowest
  }

  drop(slot: number): void {
    const block = this.#blocks.get(blockOf(slot))
    assert(block !== undefined && block.state[slot % SLOTS] !== NOTHING, `${this.#row}.${slot} is kept`)
    block.clear(slot % SLOTS)
    if (block.count === 0) this.#blocks.delete(blockOf(slot))
    this.#batches.delete(slot)
    this.#size--
  }
}

function highWord(slot: number): number {
  return Math.floor(slot / WORD)
}

function blockOf(slot: number): number {
  return Math.floor(slot / SLOTS)
}
