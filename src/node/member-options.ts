import type { Engine } from '../engine/engine.ts'
import type { StateMachine } from '../execution/machine.ts'
import type { SessionTable } from '../execution/sessions.ts'
import type { Limits } from '../execution/sweep.ts'
import type { Epochs } from '../protocol/epochs.ts'
import { OPEN_PER_ROW } from '../protocol/liveness.ts'
import type { Timing } from '../protocol/timing.ts'
import type { CheckpointStore } from '../storage/checkpoints.ts'
import type { Journal } from '../storage/journal.ts'
import type { MemberIdentity, MemberTransport } from '../transport/transport.ts'
import type { CheckpointLimits } from './checkpointer.ts'
import type { Clock } from './clock.ts'
import type { EpochStart } from './epoch-start.ts'
import type { Logger } from './logger.ts'
import type { Space } from './space.ts'

export interface MemberOptions {
  /** Its members are those of the epoch that the member is for. */
  readonly identity: MemberIdentity
  /** In its present epoch. The seat goes on with it in the next one. */
  readonly epochs: Epochs
  /** How the epoch began; null for epoch 0. */
  readonly epochStart: EpochStart | null
  /** Of this start: 16 random bytes. */
  readonly startNonce: Uint8Array
  readonly engine: Engine
  readonly machine: StateMachine
  /**
   * The machine has the state with which the epoch begins, and these are its sessions: neither is restored. Null if
   * both come from the disk.
   */
  readonly sessions: SessionTable | null
  /** Null for durability "memory": everything counts as durable at once. */
  readonly journal: Journal | null
  /** Where checkpoints are kept; without it none are taken, and the journal is never trimmed. */
  readonly checkpoints?: CheckpointStore
  /** When checkpoints are taken; {@link CHECKPOINT_LIMITS} by default. */
  readonly checkpointLimits?: CheckpointLimits
  /** The free space of the journal's disk; not watched if absent. */
  readonly space?: Space
  readonly transport: MemberTransport
  readonly clock: Clock
  /** Uniform in [0, 1), used only for jitter. */
  readonly random: () => number
  readonly logger: Logger
  /** After this time a command is answered as unknown. */
  readonly requestTimeoutMs: number
  readonly timing?: Timing
  /** The maximum number of own unexecuted instances; {@link WINDOW} by default. */
  readonly window?: number
  /** A link with this many unsent bytes is behind; {@link BEHIND_BYTES} by default. */
  readonly behindBytes?: number
  /** How much is executed in one turn of the event loop, in the work of `Budget`; {@link WORK_PER_TURN} by default. */
  readonly workPerTurn?: number
  /** The limits of what sessions keep; the same at all replicas. */
  readonly sessionLimits?: Limits
  /** How long a session is remembered after its last use, at least; {@link SESSION_LIFETIME_MS} by default. */
  readonly sessionLifetimeMs?: number
  /**
   * A change of the members has closed the epoch, and the closing checkpoint is whole: the next one may begin. The
   * member takes part in nothing any more: {@link Member.handOver}.
   */
  readonly ended: (next: EpochStart) => void
  /** Called once if the member stops by itself: the storage failed, the peers refused it, or an invariant broke. */
  readonly failed: (error: Error) => void
}

/**
 * The maximum number of own unexecuted instances; later commands gather in the next batch (protocol.md §6, bounded
 * tails).
 */
export const WINDOW = 16

// Peers check only so many open instances of a row at a time. Everything that a replica leaves open, even over some
// restarts, must be among them.
if (4 * WINDOW > OPEN_PER_ROW)
  throw new RangeError('the window must be well below the instances of a row that are looked at')

/** A few ms of a slow network. */
export const BEHIND_BYTES = 256 << 10

/** About 10 ms for a machine as fast as the key-value store. */
export const WORK_PER_TURN = 8 << 20

/** A day: no client should repeat a request for longer. */
export const SESSION_LIFETIME_MS = 86_400_000
