/**
 * The journal: values under rising numbers, appended in order, durable in order. Implementations: lmdb.ts (real) and memory.ts (a disk
 * that can lose what was not synced); both pass one compliance suite.
 */
export interface Journal {
  /** The number of the last value that {@link append} was given or that was found at the start; 0 for none. */
  readonly last: number
  /** Bytes of the values kept. */
  readonly bytes: number

  /**
   * Appends one value, whose bytes must not change afterwards, and returns its number, `last + 1`.
   * What is appended while a write is under way forms the next group.
   */
  append(value: Uint8Array): number

  /**
   * Called with the number up to which everything is durable, each time it rises; with an error, once, when the storage failed:
   * nothing is durable any more from then on, and the replica must stop (fail-stop).
   */
  onDurable(listener: (upTo: number) => void, failed: (error: Error) => void): void

  /** Value `number`, or null where it was trimmed or never written. The bytes are the caller's. Not durable values are found as well. */
  read(number: number): Uint8Array | null

  /** All values from `from` on, in order, as they were when the call was made. Throws `closed` where the journal is closed meanwhile. */
  scan(from: number): Iterable<{ readonly number: number; readonly value: Uint8Array }>

  /** Forgets the values below `before`, at some time. */
  trim(before: number): void

  /** Resolves when all that was appended is durable and everything is closed. */
  close(): Promise<void>
}
