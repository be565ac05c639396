import { assert } from './assert.ts'
import { Instance } from './instance.ts'
import { Kept, type Outcome } from './kept.ts'
import type { Batch } from './messages.ts'

/** The instances of one row, and how far they are all committed. */
export class Row {
  readonly row: number
  /** What has not executed. */
  readonly #open = new Map<number, Instance>()
  /** What has executed and is not forgotten. */
  readonly kept: Kept
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

  /** What is known of the instance. What remains of an executed one is a copy. */
  find(slot: number): Instance | undefined {
    return this.#open.get(slot) ?? this.kept.find(slot)
  }

  make(slot: number): Instance {
    assert(slot >= 1 && !this.#open.has(slot) && !this.kept.has(slot), `slot ${slot} is new`)
    const instance = new Instance(this.row, slot)
    this.#open.set(slot, instance)
    this.mention(slot)
    return instance
  }

  isCommitted(slot: number): boolean {
    return this.#open.get(slot)?.committed ?? this.kept.has(slot)
  }

  /** The instance has executed: what is kept of it takes little. `batch` where no journal holds it. */
  keep(instance: Instance, batch: Batch | null): void {
    this.#open.delete(instance.slot)
    this.kept.add(instance.slot, instance as Outcome, batch)
  }

  /** There is an instance with this slot, or that depends on every slot up to it. */
  mention(slot: number): void {
    if (slot > this.highest) this.highest = slot
  }

  advanceCommitted(): void {
    while (this.isCommitted(this.committedPrefix + 1)) this.committedPrefix++
  }
}
