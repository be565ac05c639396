import type { Footprint } from './footprint.ts'

/**
 * A dependency vector: one slot per row. `deps[r] = s` stands for every instance of row r up to and
 * including slot s; 0 stands for none (slots count from 1). Slots are whole numbers below 2⁵³.
 * Vectors are values: once handed over, nobody changes them.
 */
export type Vector = readonly number[]

export interface InstanceId {
  readonly row: number
  readonly slot: number
}

/**
 * The dependency computation and the execution ordering (protocol.md §2, §4, §6), without I/O.
 *
 * One call enters an instance's payload for both jobs; payloads and commits may come in any order, late
 * and more than once (an instance has one payload and one outcome for ever, so a repetition is ignored).
 * Errors: a `RangeError` for a row, slot, vector or footprint out of range; nothing is changed then.
 */
export interface Engine {
  readonly replicas: number

  /**
   * What the instance depends on, as far as known here: per row the highest indexed slot that interferes with
   * `footprint`, itself never included; the own row's entry is `slot - 1`. Enters the instance into the index.
   */
  dependencies(row: number, slot: number, footprint: Footprint): Vector

  /** The payload of an instance became known: enters it into the conflict index and into the order. */
  enter(row: number, slot: number, footprint: Footprint): void

  /**
   * Every indexed instance x ≠ (row, slot) outside the prefix `beyond` that interferes with `footprint`, whatever its
   * phase (Validate, protocol.md §4), ordered by (slot, row).
   */
  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[]

  /** Per row the highest indexed slot that writes the key, "everything" footprints included (quorum reads, protocol.md §7). */
  writers(lo: number, hi: number): Vector

  /** The instance is committed with `deps`, or as a no-op (`null`). Without effect on the order until {@link execute}. */
  commit(row: number, slot: number, deps: Vector | null): void

  /**
   * All components that have become executable since the last call, no-ops included as components of one. The view is valid until the
   * next call and holds, per component, `size, row, slot, row, slot, …`; members ordered by (slot, row). Components are ordered
   * by level (1 + the highest level among the components of this same call that they depend on, 1 for none), then by their first
   * member's (slot, row): so the order depends only on what was entered and committed, not on the search.
   */
  execute(): Float64Array

  /**
   * Why a committed instance has not executed: the uncommitted instance with the smallest (slot, row) among those that its transitive
   * dependencies include, either because it interferes or because its payload is unknown. `null` where nothing blocks it.
   */
  blocker(row: number, slot: number): InstanceId | null

  /** Instances committed and not executed yet. */
  readonly pending: number

  /** Forgets every instance up to `floor`, all of which must have executed; their memory is used again. */
  truncate(floor: Vector): void

  /** Bytes of memory that live entries take (not what was reserved for them). */
  readonly bytes: number
}

/** The order of instances within a component, and of every list of instances (protocol.md §6). */
export function byInstance(a: InstanceId, b: InstanceId): number {
  return a.slot - b.slot || a.row - b.row
}
