/**
 * The journal: values under rising numbers, appended in order, durable in order. Implementations: lmdb.ts (real) and
 * memory.ts (a disk that can lose what was not synced); both pass one compliance suite.
 */
export interface Journal {
  /** The number of the last appended value, or of the last value found at the start; 0 for none. */
  readonly last: number
  /** The lowest number that is kept: what is below was trimmed, or is lost. `last + 1` if nothing is kept. */
  readonly first: number
  /** Bytes of the values kept. */
  readonly bytes: number

  /**
   * Appends one value and returns its number, `last + 1`. The bytes must not change afterwards. Values appended while a
   * write is in progress form the next group.
   */
  append(value: Uint8Array): number

  /**
   * Calls `listener` with the number up to which everything is durable, each time it rises. Calls `failed` once if the
   * storage failed: nothing becomes durable from then on, and the replica must stop (fail-stop).
   */
  onDurable(listener: (upTo: number) => void, failed: (error: Error) => void): void

  /**
   * Value `number`, or null if it was trimmed or never written. The caller owns the bytes. Values that are not yet
   * durable are found as well.
   */
  read(number: number): Uint8Array | null

  /**
   * All values from `from` on, in order, as they were at the time of the call. Throws `closed` if the journal is closed
   * in the meantime.
   */
  scan(from: number): Iterable<{ readonly number: number; readonly value: Uint8Array }>

  /** Forgets the values below `before`, at some later time. */
  trim(before: number): void

  /** Resolves when everything appended is durable and the journal is closed. */
  close(): Promise<void>
}
