import type { Vector } from '../engine/engine.ts'
import type { Probe, Writer } from './messages.ts'
import type { Votes } from './votes.ts'

/** A read of one key. The caller keeps the object: it comes back in `Effects.reads` when the state may be read. */
export interface Read {
  /** The hash of the key, as in footprints. */
  readonly lo: number
  readonly hi: number
  /** Reads all keys at once: waits for every instance. `lo` and `hi` mean nothing then. */
  readonly everything: boolean
  /** False once the caller needs the read no more; the core then forgets it. */
  readonly wanted: boolean
}

/** A probe without enough answers. */
export interface OpenProbe {
  readonly probe: Probe
  /** By key. All arrived before the probe was sent: a later read may miss what was answered in between. */
  readonly reads: readonly Read[]
  readonly writers: Writer[]
  floor: Vector
  answered: Votes
  sentMs: number
}

/** A read that knows how far it must see. */
export interface WaitingRead {
  readonly read: Read
  readonly upTo: Vector
  /** What it waits for; all of lower rows, and all lower slots of this row, are settled. */
  row: number
  slot: number
}

/** The quorum reads of one replica that are not finished. None survives a restart. */
export class OpenReads {
  /** By number. */
  readonly probes = new Map<number, OpenProbe>()
  /** Per row and slot: the reads that wait for this instance. */
  readonly waiting: readonly Map<number, WaitingRead[]>[]
  /** The number of the last probe. */
  number = 0
  /** When unanswered probes are sent again, and unwanted reads forgotten. */
  lookMs = 0

  constructor(replicas: number) {
    this.waiting = Array.from({ length: replicas }, () => new Map())
  }
}
