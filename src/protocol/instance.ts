import type { Vector } from '../engine/engine.ts'
import { assert } from './assert.ts'
import type { Attempt } from './attempt.ts'
import { type Batch, Command, Mode, Phase } from './messages.ts'

/** What one replica knows about one instance: the table of protocol.md §2, and where its batch is in the journal. */
export class Instance {
  readonly row: number
  readonly slot: number
  phase: Phase = Phase.none
  /** The highest promised. */
  ballot = 0
  /** The ballot of the last vote, or of the commit; a promise never changes it. */
  voteBallot = 0
  command: Command = Command.unknown
  /** Set exactly if the initial command is known: only PreAccept and Validate set them. */
  initDeps: Vector | null = null
  deps: Vector | null = null
  mode: Mode = Mode.all
  ok = true

  /** Whether the batch was ever known here; it leaves memory after execution. */
  known = false
  batch: Batch | null = null
  /** The journal value and the record in it that hold the batch; 0 if none does. */
  batchNumber = 0
  batchIndex = 0
  /** The journal value with its COM; 0 if it is not committed. */
  comNumber = 0

  /** Messages about this instance may be sent when the journal is durable up to this number. */
  gate = 0

  /** What this replica coordinates for the instance, if anything. */
  attempt: Attempt | null = null
  /** The highest ballot heard of, promised or not: the next own ballot is higher. */
  seenBallot = 0
  /** The largest count heard in a Waiting for this instance (protocol.md §4). */
  waitingHeard = 0

  /** When something is done about it if it is still uncommitted, in ms; 0 if nothing is scheduled. */
  dueMs = 0
  /** When a tick first found it uncommitted, in ms; 0 for never. */
  noticedMs = 0
  tries = 0
  askedMs = 0

  constructor(row: number, slot: number) {
    this.row = row
    this.slot = slot
  }

  get committed(): boolean {
    return this.phase === Phase.committed
  }

  /** Adopts the batch: an instance has one batch for ever. */
  learn(batch: Batch): void {
    this.known = true
    this.batch = batch
  }

  toString(): string {
    return `${this.row}.${this.slot}`
  }
}

/** The instances of one row, and how far they are all committed. */
export class Row {
  readonly row: number
  #instances = new Map<number, Instance>()
  /** Every slot up to here is committed. */
  committedPrefix = 0
  #releasedPrefix = 0
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
  }

  find(slot: number): Instance | undefined {
    return this.#instances.get(slot)
  }

  make(slot: number): Instance {
    assert(slot >= 1 && !this.#instances.has(slot), `slot ${slot} is new`)
    const instance = new Instance(this.row, slot)
    this.#instances.set(slot, instance)
    this.mention(slot)
    return instance
  }

  /** There is an instance with this slot, or that depends on every slot up to it. */
  mention(slot: number): void {
    if (slot > this.highest) this.highest = slot
  }

  advanceCommitted(): void {
    while (this.#instances.get(this.committedPrefix + 1)?.committed) this.committedPrefix++
  }

  /** Removes the batches up to `slot`, which have executed everywhere, from memory. */
  releaseBatches(slot: number): void {
    for (; this.#releasedPrefix < slot; this.#releasedPrefix++) {
      const instance = this.#instances.get(this.#releasedPrefix + 1)
      if (instance !== undefined) instance.batch = null
    }
  }
}
