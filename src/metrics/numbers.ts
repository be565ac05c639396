import type { Durations } from './durations.ts'

/** One number for each of something. */
export type Each = Readonly<Record<string, number>>

/**
 * Everything about a running replica that is a number, since its process started. Both `GET /status` and `GET /metrics`
 * show these: the table (table.ts) says where and as what. A new number needs a line here, one there, and its source in
 * `src/node/numbers.ts`.
 */
export interface Numbers {
  /** 1 or 0, as the others that say whether. */
  readonly ready: number
  /** Each change of the members makes the next one. */
  readonly epoch: number
  /** By the id of the peer: whether it is up as far as this replica knows. */
  readonly up: Each

  readonly fast: number
  readonly slow: number
  readonly recovered: number
  readonly noop: number
  readonly recoveries: number
  readonly falseSuspicions: number
  readonly deferred: number
  /** By the reason. */
  readonly dropped: Each
  /** By row. */
  readonly committed: readonly number[]
  readonly executed: readonly number[]
  readonly oldestUncommittedMs: number

  readonly instances: number
  /** Instances of all rows that are known here and not forgotten, and those that were forgotten. */
  readonly instancesHeld: number
  /** About what the held ones take in memory. */
  readonly heldBytes: number
  readonly instancesForgotten: number
  readonly commands: number
  readonly cycles: number
  readonly voidBatches: number
  readonly sessions: number
  readonly sessionNumbers: number
  readonly sessionBytes: number
  readonly tombstones: number
  readonly ticks: number
  readonly sweeps: number

  /** Groups of commands that were done. */
  readonly done: number
  /** By the code of the error: groups that were certainly not done, and those that may be done. */
  readonly refused: Each
  readonly unknown: Each
  readonly answerMs: Durations
  /** Groups of quorum reads, by how they ended. */
  readonly reads: Each
  /** Keys read without the log, and those that waited for an execution, or first for an unknown payload. */
  readonly readKeys: number
  readonly readsWaited: number
  readonly readsBlocked: number
  readonly running: number
  readonly runningWork: number
  readonly runningLimit: number
  readonly flightMs: number
  readonly waiting: number
  readonly waitingBytes: number

  readonly journalBytes: number
  readonly journalValues: number
  /** Taken, and given up because they could not be written. */
  readonly checkpoints: number
  readonly checkpointFailures: number
  /** Of the last checkpoint. */
  readonly checkpointBytes: number
  /** Of peers. */
  readonly checkpointsInstalled: number
  /** Given to peers, and requests that no checkpoint here was new enough for. */
  readonly checkpointGivenBytes: number
  readonly checkpointsNotYet: number
  /** Of the checkpoint of a peer that is being fetched: what has arrived, its size, and how long the rest takes. */
  readonly fetchedBytes: number
  readonly fetchBytes: number
  readonly fetchRemainingMs: number
  readonly replayMs: number
  /** Of the disk, at the last look; absent without a disk. */
  readonly freeBytes: number | null
  readonly nearlyFull: number
  readonly full: number
}

/** The numbers of the client port. */
export interface PortNumbers {
  /** Open connections, and those of them that are WebSockets of the client library. */
  readonly connections: number
  readonly clientLinks: number
  /** Links that were closed because the client broke the rules, or did not take its answers. */
  readonly clientsDropped: number
}

/** Everything that the table shows. */
export type Shown = Numbers & PortNumbers
