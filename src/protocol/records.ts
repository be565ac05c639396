import type { Vector } from '../engine/engine.ts'
import type { Batch, Command, Mode } from './messages.ts'

/**
 * What a replica writes down before it speaks (protocol.md §9). A batch stands once in the journal of a replica, in the first record
 * that needs it; later records of the same instance carry `batch: null` beside `command: batch`.
 */
export const RecordType = { pre: 1, acc: 2, bal: 3, val: 4, com: 5, peer: 6 } as const
export type RecordType = (typeof RecordType)[keyof typeof RecordType]

interface About {
  readonly epoch: number
  readonly row: number
  readonly slot: number
}

/** Pre-accepted: the initial dependencies, and this replica's own. */
export interface PreRecord extends About {
  readonly type: typeof RecordType.pre
  readonly mode: Mode
  readonly ok: boolean
  readonly initDeps: Vector
  readonly deps: Vector
  readonly batch: Batch
}

export interface AccRecord extends About {
  readonly type: typeof RecordType.acc
  readonly ballot: number
  readonly command: Command
  readonly deps: Vector
  readonly batch: Batch | null
}

export interface BalRecord extends About {
  readonly type: typeof RecordType.bal
  readonly ballot: number
}

/** Validated: the initial command and dependencies as a recoverer told them. */
export interface ValRecord extends About {
  readonly type: typeof RecordType.val
  readonly initDeps: Vector
  readonly batch: Batch | null
}

export interface ComRecord extends About {
  readonly type: typeof RecordType.com
  readonly ballot: number
  readonly command: Command
  readonly deps: Vector
  readonly batch: Batch | null
}

/** The incarnation of a peer at first contact: another one is refused for that row (protocol.md §9). */
export interface PeerRecord {
  readonly type: typeof RecordType.peer
  readonly row: number
  /** 16 random bytes. */
  readonly incarnation: Uint8Array
}

export type InstanceRecord = PreRecord | AccRecord | BalRecord | ValRecord | ComRecord
export type JournalRecord = InstanceRecord | PeerRecord
