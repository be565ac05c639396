import type { Vector } from '../engine/engine.ts'
import type { Batch, Command, Mode } from './messages.ts'

/**
 * What a replica writes before it sends (protocol.md §9). A batch is once in the journal of a replica, in the first
 * record that needs it; later records of the same instance carry `batch: null` with `command: batch`.
 */
export const RecordType = { pre: 1, acc: 2, bal: 3, val: 4, com: 5, peer: 6, met: 7, start: 8 } as const
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

/** Validated: the initial command and dependencies, as a recoverer sent them. */
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

/** One start of a data directory. Of two starts, the one with the higher number came later (protocol.md §9). */
export interface Start {
  /** From 1. */
  readonly number: number
  /** 16 random bytes, which differ between copies of a directory. */
  readonly nonce: Uint8Array
}

/**
 * What is known about a replica: another incarnation under its id is refused for ever, and so is an older start
 * (protocol.md §9). Its id names it in every epoch; its row may change.
 */
export interface PeerRecord {
  readonly type: typeof RecordType.peer
  readonly id: number
  /** 16 random bytes. */
  readonly incarnation: Uint8Array
  readonly start: Start
  /** The highest number of a durable journal value that it has reported. */
  readonly heard: number
}

/** The peer has durably recorded all members, the same as this replica has. */
export interface MetRecord {
  readonly type: typeof RecordType.met
  readonly id: number
}

/** This directory was started. */
export interface StartRecord extends Start {
  readonly type: typeof RecordType.start
}

export type InstanceRecord = PreRecord | AccRecord | BalRecord | ValRecord | ComRecord
/** About members, not about an instance. */
export type MemberRecord = PeerRecord | MetRecord | StartRecord
export type JournalRecord = InstanceRecord | MemberRecord
