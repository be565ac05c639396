import type { Vector } from '../engine/engine.ts'
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
  /** It has executed, and this is what remains of it (kept.ts). */
  kept = false

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
