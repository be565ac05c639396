import type { CheckpointOrigin } from './checkpoints.ts'

/** Records under numbers: what one checkpoint consists of. */
export interface RecordFile {
  /**
   * Resolves when the records are synced. The next write begins when this one has resolved. The bytes must not change
   * before that.
   *
   * @throws EpaxosError `storage`
   */
  write(records: readonly NumberedRecord[]): Promise<void>
  /**
   * The caller owns the bytes. Null if there is no such record.
   *
   * @throws EpaxosError `damaged`, `storage`, or `closed`
   */
  read(key: number): Uint8Array | null
  /** The highest key; -1 if there is no record. */
  readonly last: number
  close(): Promise<void>
}

export interface NumberedRecord {
  readonly key: number
  readonly record: Uint8Array
}

/** The files of a store, under the numbers of their checkpoints. */
export interface RecordFiles {
  /** The numbers of the whole ones, ascending. */
  readonly whole: readonly number[]
  /** A new file, which is not whole. */
  create(number: number): RecordFile
  /** Opens a whole one, to read it. */
  open(number: number): RecordFile
  /** Makes a file whole. Its records are synced; resolves when it is whole after a crash, too. */
  makeWhole(number: number): Promise<void>
  /** Removes a file, whole or not. It must be closed. Never rejects: what stays is removed at the next start. */
  remove(number: number): Promise<void>
  /** The origin of the checkpoint that is received; null if there is none. There is one at a time. */
  readonly received: CheckpointOrigin | null
  /**
   * Opens its file, or creates it.
   *
   * @throws EpaxosError `damaged`, `storage` or `resources`
   */
  openReceived(origin: CheckpointOrigin): RecordFile
  /** Removes its file, which must be closed. Never rejects. */
  removeReceived(): Promise<void>
}

/** The key of the seal. Chunk i has the key i + 1. */
export const SEAL_KEY = 0
