import type { InstanceId, Vector } from '../engine/engine.ts'
import type { Footprint } from '../engine/footprint.ts'
import type { Executed } from './runs.ts'

/**
 * The messages between replicas. This folder's README has one table of all messages and their answers. Sources:
 * protocol.md §3 and §4; every message about an instance names its epoch, row and slot.
 */

/** Keys of one Probe: bounds the work of answering one message. */
export const MAX_PROBE_KEYS = 1 << 13

/** A batch of commands: proposed as one instance, the same bytes at every replica, never changed. */
export interface Batch {
  readonly footprint: Footprint
  /** Opaque to the protocol. */
  readonly commands: Uint8Array
}

export const Phase = { none: 0, preAccepted: 1, accepted: 2, committed: 3 } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** Which command an instance carries. An instance has one batch for ever, so its outcome is that batch or a no-op. */
export const Command = { unknown: 0, batch: 1, noop: 2 } as const
export type Command = (typeof Command)[keyof typeof Command]

/** How the fast quorum is chosen: `all` replicas are asked (protocol.md §3). The field has room for §12. */
export const Mode = { all: 0 } as const
export type Mode = (typeof Mode)[keyof typeof Mode]

export const MessageType = {
  preAccept: 1,
  preAcceptOk: 2,
  accept: 3,
  acceptOk: 4,
  commit: 5,
  recover: 6,
  recoverOk: 7,
  validate: 8,
  validateOk: 9,
  waiting: 10,
  nack: 11,
  tryRecover: 12,
  ask: 13,
  truncated: 14,
  heartbeat: 15,
  probe: 16,
  probeOk: 17,
  checkpointAsk: 18,
  checkpointChunk: 19,
  notYet: 20,
} as const
export type MessageType = (typeof MessageType)[keyof typeof MessageType]

interface About {
  readonly epoch: number
  readonly row: number
  readonly slot: number
}

export interface PreAccept extends About {
  readonly type: typeof MessageType.preAccept
  readonly mode: Mode
  readonly initDeps: Vector
  readonly batch: Batch
}

export interface PreAcceptOk extends About {
  readonly type: typeof MessageType.preAcceptOk
  /** Always true in mode `all` (protocol.md §12 uses it). */
  readonly ok: boolean
  readonly deps: Vector
}

/** `command` is never `unknown`; `batch` is null for a no-op, and if the receiver is assumed to have it. */
export interface Accept extends About {
  readonly type: typeof MessageType.accept
  readonly ballot: number
  readonly command: Command
  readonly deps: Vector
  readonly batch: Batch | null
}

export interface AcceptOk extends About {
  readonly type: typeof MessageType.acceptOk
  readonly ballot: number
}

/** As {@link Accept}. */
export interface Commit extends About {
  readonly type: typeof MessageType.commit
  readonly ballot: number
  readonly command: Command
  readonly deps: Vector
  readonly batch: Batch | null
}

export interface Recover extends About {
  readonly type: typeof MessageType.recover
  readonly ballot: number
}

export interface RecoverOk extends About {
  readonly type: typeof MessageType.recoverOk
  readonly ballot: number
  readonly voteBallot: number
  readonly phase: Phase
  readonly command: Command
  readonly mode: Mode
  readonly ok: boolean
  /** Known exactly if the initial command is known. */
  readonly initDeps: Vector | null
  readonly deps: Vector | null
  /** The batch, if it is known; also with `command: noop`. */
  readonly batch: Batch | null
}

export interface Validate extends About {
  readonly type: typeof MessageType.validate
  readonly ballot: number
  /** The initial dependencies to validate. */
  readonly deps: Vector
  readonly batch: Batch
}

export interface Conflict {
  readonly row: number
  readonly slot: number
  readonly phase: Phase
}

export interface ValidateOk extends About {
  readonly type: typeof MessageType.validateOk
  readonly ballot: number
  readonly conflicts: readonly Conflict[]
}

/** `count` is |R|, called k in protocol.md §4. */
export interface Waiting extends About {
  readonly type: typeof MessageType.waiting
  readonly count: number
}

export interface Nack extends About {
  readonly type: typeof MessageType.nack
  readonly ballot: number
}

export interface TryRecover extends About {
  readonly type: typeof MessageType.tryRecover
}

/**
 * Asks for the Commits, including payloads, of those of the `count` slots from `slot` on that are committed at the
 * receiver.
 */
export interface Ask extends About {
  readonly type: typeof MessageType.ask
  readonly count: number
}

/**
 * The instance is forgotten, or its batch is gone (then its Commit follows): the sender has executed it, and durably
 * everything up to `executed`.
 */
export interface Truncated extends About {
  readonly type: typeof MessageType.truncated
  readonly executed: Vector
}

/**
 * Sent to every peer at an interval, whatever else is sent. Times are of the sender's clock, in ms, and only return to
 * the sender.
 */
export interface Heartbeat {
  readonly type: typeof MessageType.heartbeat
  readonly epoch: number
  readonly sentMs: number
  /** `sentMs` of the newest heartbeat from the receiver, plus the ms that it was held here; 0 for none. */
  readonly echoMs: number
  /** Per row: every slot up to here is committed at the sender. */
  readonly committed: Vector
  /** Per row: every slot up to here has executed, durably, at the sender. */
  readonly executed: Vector
  /** Per row: every slot up to here has executed, durably, at every member, as far as the sender knows. */
  readonly floor: Vector
  /** The number of the sender's last durable journal value. */
  readonly journal: number
  /** A hash of the state after `executed`, below 2^53; 0 for none. */
  readonly state: number
}

/**
 * Asks which instances write some keys, for quorum reads of these keys (protocol.md §7). `start` and `number` name the
 * probe for ever: no other probe has the same, not even after a restart.
 */
export interface Probe {
  readonly type: typeof MessageType.probe
  readonly epoch: number
  /** Names the start of the sender: random, below 2^53. */
  readonly start: number
  /** Counts the probes of that start, from 1. */
  readonly number: number
  /** Two lanes for each key. No keys: everything that an instance can write. */
  readonly keys: Uint32Array
  /** Per row: every slot up to here has executed at the sender. It does not ask for these. */
  readonly executed: Vector
}

/** The highest slot of a row whose instance writes a key of a Probe, whatever its phase. */
export interface Writer {
  /** The position of the key in the Probe, from 0. */
  readonly key: number
  readonly row: number
  readonly slot: number
}

/** The answer to the Probe with the same `start` and `number`. */
export interface ProbeOk {
  readonly type: typeof MessageType.probeOk
  readonly epoch: number
  readonly start: number
  readonly number: number
  /** Per row: up to here instances may be missing in the index of the sender, because all have executed them. */
  readonly floor: Vector
  /** Those beyond what has executed at the receiver. */
  readonly writers: readonly Writer[]
}

/**
 * Asks for `count` chunks of a checkpoint, from `chunk` on; chunk 0 is the seal, which names the others (protocol.md
 * §10). Answered with a {@link CheckpointChunk} for each, or with {@link NotYet}.
 */
export interface CheckpointAsk {
  readonly type: typeof MessageType.checkpointAsk
  readonly epoch: number
  /** What the sender cannot get otherwise: a checkpoint without it is of no use. */
  readonly lacking: InstanceId
  /** What has executed at the sender: only a checkpoint that contains all of it is of use. */
  readonly executed: Executed
  /** Of the checkpoint of the receiver that the sender has begun to fetch; 0 for whichever is there. */
  readonly number: number
  readonly chunk: number
  readonly count: number
}

/** If the asker asked for another `number`, that one is gone: this is the seal of a newer one. */
export interface CheckpointChunk {
  readonly type: typeof MessageType.checkpointChunk
  readonly epoch: number
  readonly number: number
  readonly chunk: number
  readonly bytes: Uint8Array
}

/** The sender has no checkpoint that contains what has executed at the receiver. */
export interface NotYet {
  readonly type: typeof MessageType.notYet
  readonly epoch: number
}

/** Messages that carry a checkpoint from one replica to another: they are none of the core's. */
export type CheckpointMessage = CheckpointAsk | CheckpointChunk | NotYet

export type InstanceMessage =
  | PreAccept
  | PreAcceptOk
  | Accept
  | AcceptOk
  | Commit
  | Recover
  | RecoverOk
  | Validate
  | ValidateOk
  | Waiting
  | Nack
  | TryRecover
  | Ask
  | Truncated

/** What the core sends and receives. */
export type Message = InstanceMessage | Heartbeat | Probe | ProbeOk

/** All that replicas say to each other. */
export type AnyMessage = Message | CheckpointMessage

export function isCheckpointMessage(message: AnyMessage): message is CheckpointMessage {
  return message.type >= MessageType.checkpointAsk && message.type <= MessageType.notYet
}
