import type { Footprint } from './footprint.ts'

/**
 * A dependency vector: one slot per row. `deps[r] = s` stands for every instance of row r up to and including slot s; 0
 * stands for none (slots count from 1). Slots are whole numbers below 2⁵³. Vectors are values: nobody changes one after
 * handing it over.
 */
export type Vector = readonly number[]

export interface InstanceId {
  readonly row: number
  readonly slot: number
}

/**
 * The dependency computation and the execution ordering (protocol.md §2, §4, §6), without I/O.
 *
 * One call enters the payload of an instance for both jobs. Payloads and commits may come in any order, late, and more
 * than once: an instance has one payload and one outcome for ever, so a repetition is ignored. Errors: a `RangeError`
 * if a row, slot, vector or footprint is out of range; nothing changes then.
 */
export interface Engine {
  readonly replicas: number

  /**
   * What the instance depends on, as far as this replica knows: per row the highest indexed slot that interferes with
   * `footprint`, never the instance itself; the entry of its own row is `slot - 1`. Enters the instance into the index.
   */
  dependencies(row: number, slot: number, footprint: Footprint): Vector

  /** Enters the payload of an instance into the conflict index and into the order. */
  enter(row: number, slot: number, footprint: Footprint): void

  /**
   * Every indexed instance x ≠ (row, slot) outside the prefix `beyond` that interferes with `footprint`, whatever its
   * phase (Validate, protocol.md §4), ordered by (slot, row).
   */
  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[]

  /**
   * Per row the highest indexed slot that writes the key; "everything" footprints count as writers (quorum reads,
   * protocol.md §7).
   */
  writers(lo: number, hi: number): Vector

  /**
   * The same for many keys, two lanes each, as far as it is beyond the prefix `beyond`. The view is valid until the
   * next call. It holds `key, row, slot, …`, where `key` is the position of the key, in the order of keys and rows.
   */
  writersBeyond(keys: Uint32Array, beyond: Vector): Float64Array

  /** The instance is committed with `deps`, or as a no-op (`null`). The order changes only with {@link execute}. */
  commit(row: number, slot: number, deps: Vector | null): void

  /**
   * All components that became executable since the last call; a no-op is a component of one. The view is valid until
   * the next call. It holds `size, row, slot, row, slot, …` for each component, with the members ordered by (slot,
   * row). Components are ordered by level, then by the (slot, row) of their first member. The level is 1 + the highest
   * level among the components of this same call that they depend on, or 1 if there are none. So the order depends only
   * on what was entered and committed, not on the search.
   */
  execute(): Float64Array

  /**
   * Why a committed instance has not executed: the uncommitted instance with the smallest (slot, row) among its
   * transitive dependencies that interfere or have an unknown payload. `null` if nothing blocks it.
   */
  blocker(row: number, slot: number): InstanceId | null

  /** Instances that are committed but not executed yet. */
  readonly pending: number

  /** Forgets every instance up to `floor`; all of them must have executed. Their memory is used again. */
  truncate(floor: Vector): void

  /** Forgets everything. It begins behind `floor`: every instance up to there counts as executed and forgotten. */
  restart(floor: Vector): void

  /**
   * Enters an instance that has executed, from a checkpoint: into the index only, as the order is done with it.
   * `footprint` is null for a no-op whose payload is unknown. Nothing may be known of the instance yet.
   */
  enterExecuted(row: number, slot: number, footprint: Footprint | null): void

  /**
   * The footprint of an indexed instance; null if it is not indexed. If it is "everything", its keys are left out; a
   * key may be named once or more often.
   */
  footprint(row: number, slot: number): Footprint | null

  /** Bytes of memory that live entries use (not the reserved memory). */
  readonly bytes: number
}

/** The order of instances within a component, and of every list of instances (protocol.md §6). */
export function byInstance(a: InstanceId, b: InstanceId): number {
  return a.slot - b.slot || a.row - b.row
}
