import type { FootprintBuilder } from '../engine/footprint.ts'

/**
 * A deterministic state machine, which is what the cluster replicates. The same commands in the same order give the
 * same results and the same state at every replica. So `apply` uses nothing but the command and the state: no clock, no
 * randomness, no file.
 */
export interface StateMachine {
  /**
   * Names every key that `apply(command)` may read or write, in any state: commands whose footprints do not interfere
   * are applied in different orders at different replicas. Called once, at the replica that received the command.
   * Throws an `EpaxosError` with code `bad_command` for a command that cannot be applied. `command` is a view that is
   * valid only during the call.
   */
  footprint(command: Uint8Array, keys: FootprintBuilder): void
  /**
   * Applies the command and returns its result, which must not change afterwards. Must not throw. `command` is a view
   * that is valid only during the call. A command whose footprint names no written key changes nothing: it is applied
   * only at the replica that answers it.
   */
  apply(command: Uint8Array): Uint8Array
  /**
   * Like {@link apply}, for callers that use no result of more than `room` bytes, and no result at all if `room` is
   * negative. The machine may then return null, so that it builds no large result that nobody uses. The effects of the
   * command must not depend on `room`. If this method exists, the executor calls it instead of `apply`.
   */
  applyWithin?(command: Uint8Array, room: number): Uint8Array | null
  /**
   * Announces commands that are probably applied next: `bytes[ranges[2i], ranges[2i + 1])` for `i` below `count`. A
   * machine with a large state can touch everything that they need at once; applied one after the other, each would
   * wait for memory. Changes nothing. Must not throw.
   */
  loadAhead?(bytes: Uint8Array, ranges: Int32Array, count: number): void
  /** The whole state, in chunks; equal states give equal bytes. */
  snapshot(): Iterable<Uint8Array>
  /** Replaces the state by that of a snapshot. */
  restore(chunks: Iterable<Uint8Array>): void
  /** A hash of the state, equal for equal states. If it is absent, the snapshot is hashed. */
  stateHash?(): string
}

/** Applies the command as {@link StateMachine.applyWithin} describes, also if the machine has no such method. */
export function applyWithin(machine: StateMachine, command: Uint8Array, room: number): Uint8Array | null {
  return machine.applyWithin === undefined ? machine.apply(command) : machine.applyWithin(command, room)
}
