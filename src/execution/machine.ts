import type { FootprintBuilder } from '../engine/footprint.ts'
import type { ResultBuffer } from './result-buffer.ts'

/**
 * A deterministic state machine, which is what the cluster replicates. The same commands in the same order give the
 * same results and the same state at every replica. So `apply` uses nothing but the command and the state: no clock, no
 * randomness, no file.
 *
 * A command is a range of a larger array, `bytes[start, end)`. The array is valid only during the call, and what is
 * around the range belongs to others.
 */
export interface StateMachine {
  /**
   * Names every key that `apply` may read or write for this command, in any state: commands whose footprints do not
   * interfere are applied in different orders at different replicas. Called once, at the replica that received the
   * command. Throws an `EpaxosError` with code `bad_command` for a command that cannot be applied.
   */
  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void
  /**
   * Applies the command and writes its result, piece by piece. Must not throw. A command whose footprint names no
   * written key changes nothing: it is applied only at the replica that answers it. Often nobody gets the result, or
   * there is room for a short one only: then the buffer drops it. A machine whose results are expensive looks at
   * `result.room` first. The effects of the command must not depend on the room.
   */
  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void
  /**
   * Announces commands that are probably applied next: `bytes[ranges[2i], ranges[2i + 1])` for `i` below `count`. A
   * machine with a large state can touch everything that they need at once; applied one after the other, each would
   * wait for memory. Changes nothing. Must not throw.
   */
  loadAhead?(bytes: Uint8Array, ranges: Int32Array, count: number): void
  /** The whole state, in chunks; equal states give equal bytes. */
  snapshot(): Iterable<Uint8Array>
  /**
   * Begins an image of the state as of this call, which is read in pieces while commands go on. A machine without this
   * method stops for its whole {@link snapshot} each time a checkpoint is taken. At most one image is open.
   */
  capture?(): MachineImage
  /**
   * Replaces the state by that of a snapshot or of an image. Throws an `EpaxosError` with code `damaged` for anything
   * else; nothing changes then.
   */
  restore(chunks: Iterable<Uint8Array>): void
  /**
   * The same in steps, while the replica goes on taking part: it reads the chunks of a peer's checkpoint beside its
   * present state. A machine without this method stops for its whole {@link restore}.
   */
  restoring?(chunks: Iterable<Uint8Array>): Restoring
  /** A hash of the state, equal for equal states. If it is absent, the snapshot is hashed. */
  stateHash?(): string
  /**
   * A listener for the keys that commands change. A machine that can be watched has this property, null until somebody
   * listens; then `apply` calls it after each change of a key. A restore does not: everything may have changed.
   */
  changed?: ChangeListener | null
}

/** A state that is read from chunks, beside the present one. */
export interface Restoring {
  /**
   * Iterated to its end, once; each step does a small amount of work. Throws an `EpaxosError` with code `damaged`. The
   * present state may be read meanwhile, and does not change.
   */
  readonly steps: Iterable<unknown>
  /** Replaces the present state, in a moment. Called when all steps are done, or not at all. */
  finish(): void
}

/** The state of a machine as of one moment. */
export interface MachineImage {
  /**
   * What `restore` takes, in any order of its parts, iterated once. Each step does a small amount of work, and may give
   * an empty chunk; commands may be applied between two steps.
   */
  readonly chunks: Iterable<Uint8Array>
  /** Bytes that were copied because they changed, and are not read yet: what the image takes in memory. */
  readonly waitingBytes: number
  /** The rest is not read, or everything was: from now on changes cost nothing extra. Releasing twice is releasing. */
  release(): void
}

/**
 * Called for a key that was written or removed: `bytes[start, end)`, valid only during the call. It may read the
 * machine, and must neither change it nor throw.
 */
export type ChangeListener = (bytes: Uint8Array, start: number, end: number) => void
