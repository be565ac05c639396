import { assert } from './assert.ts'
import { Instance } from './instance.ts'
import { Kept, type Outcome } from './kept.ts'
import type { Batch } from './messages.ts'

/** The instances of one row, and how far they are all committed. */
export class Row {
  readonly row: number
  /** What has not executed. */
  readonly #instances = new Map<number, Instance>()
  /** What has executed and is not forgotten. */
  readonly kept: Kept
  /** Every slot up to here is forgotten: every member has executed it. */
  #dropped = 0
  /** Every slot up to here is committed. */
  committedPrefix = 0
  /** The highest slot that was seen, or that an instance depends on. */
  highest = 0
  /**
   * The highest slot that a message may name: as of the last second, and as the peers claim to have committed
   * (reach.ts).
   */
  reach = 0
  claimed = 0
  /** The peer that was asked, -1 for none. */
  askedPeer = -1
  /** The last slot that a peer was asked for, 0 for none; and when to ask (again), in ms, 0 if nothing is missing. */
  askedTo = 0
  /** How far the row was committed when it asked, and at the last check. */
  askedPrefix = 0
  lookedPrefix = 0
  askDueMs = 0

  constructor(row: number) {
    this.row = row
    this.kept = new Kept(row)
  }

  get dropped(): number {
    return this.#dropped
  }

  /** What is known of and has not executed. */
  get open(): Iterable<Instance> {
    return this.#instances.values()
  }

  /** What is known of the instance. What remains of an executed one is a copy. */
  find(slot: number): Instance | undefined {
    return this.#instances.get(slot) ?? this.kept.find(slot)
  }

  make(slot: number): Instance {
    assert(slot > this.#dropped && !this.find(slot), `slot ${slot} is new`)
    const instance = new Instance(this.row, slot)
    this.#instances.set(slot, instance)
    this.mention(slot)
    return instance
  }

  isCommitted(slot: number): boolean {
    return this.#instances.get(slot)?.committed ?? this.kept.has(slot)
  }

  /** The instance has executed: what is kept of it takes little. `batch` where no journal holds it. */
  keep(instance: Instance, batch: Batch | null): void {
    this.#instances.delete(instance.slot)
    this.kept.add(instance.slot, instance as Outcome, batch)
  }

  /** There is an instance with this slot, or that depends on every slot up to it. */
  mention(slot: number): void {
    if (slot > this.highest) this.highest = slot
  }

  /** From a checkpoint, before anything else is known. */
  restore(dropped: number, executed: number): void {
    this.#dropped = dropped
    this.committedPrefix = executed
    this.mention(executed)
  }

  /** An executed instance from a checkpoint. */
  restoreKept(slot: number, outcome: Outcome, batch: Batch | null): void {
    this.kept.add(slot, outcome, batch)
    this.mention(slot)
  }

  /** The instance has executed elsewhere: nothing else of it is kept. `batch` where no journal holds it. */
  replaceByKept(slot: number, outcome: Outcome, batch: Batch | null): void {
    this.#instances.delete(slot)
    this.restoreKept(slot, outcome, batch)
  }

  /** Forgets every slot up to this one; all have executed. */
  drop(upTo: number): void {
    while (this.#dropped < upTo) this.kept.drop(++this.#dropped)
  }

  advanceCommitted(): void {
    while (this.isCommitted(this.committedPrefix + 1)) this.committedPrefix++
  }
}
