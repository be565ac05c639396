import type { Vector } from '../engine/engine.ts'

/**
 * Checkpoints: whole images of a replica, kept beside the journal so that the journal before them can go.
 * Implementations: lmdb-checkpoints.ts (real) and memory-checkpoints.ts (a disk that can lose, cut off and damage what
 * was written); both pass one compliance suite.
 *
 * A checkpoint is a header and an ordered list of named sections; a section is a sequence of bytes in chunks, each with
 * a checksum. Its seal, written and synced last, says how many chunks of which section there are. A checkpoint without
 * its seal does not exist. The previous one is kept until the next is whole and synced.
 */

/** What an image is of. */
export interface CheckpointHeader {
  readonly formatVersion: number
  /** The cluster's name. */
  readonly cluster: string
  /** The replica that took it. */
  readonly id: number
  readonly epoch: number
  /** It holds the effects of the journal's values up to this number: a replay begins with the next one. */
  readonly journal: number
  /** Per row: every slot up to here has executed. */
  readonly executed: Vector
  /** Per row: the executed slots after the first gap, ascending. */
  readonly beyond: readonly (readonly number[])[]
}

export interface CheckpointSection {
  readonly name: string
  readonly chunks: number
  /** Of its chunks together. */
  readonly bytes: number
}

export interface CheckpointStore {
  /**
   * The newest whole checkpoint, or null. Close the reader: until then the store keeps this checkpoint, also when there
   * is a newer one.
   *
   * @throws EpaxosError `damaged` if its seal cannot be read, `storage`, `resources`, or `closed`
   */
  latest(): CheckpointReader | null
  /** The numbers of the whole checkpoints, ascending. A crash may have left the one before the newest behind. */
  readonly whole: readonly number[]
  /** Like {@link latest}, for a checkpoint of {@link whole}. */
  read(number: number): CheckpointReader
  /** The newest was read and is not damaged: those before it go, as they do when the next one is whole. */
  settle(): void
  /**
   * Begins a checkpoint. The store has at most one unfinished one.
   *
   * @throws EpaxosError `storage` if there is no space, `resources`, or `closed`
   */
  begin(header: CheckpointHeader): CheckpointWriter
  /** What was received of a peer's checkpoint, also before a restart; null if nothing was, or if it is of no use. */
  received(): CheckpointReceiver | null
  /**
   * Begins to receive a checkpoint of a peer. What was received of another one is removed.
   *
   * @param seal as {@link CheckpointReader.seal} gave it
   * @throws EpaxosError `malformed` if it is no seal, `storage` if there is no space, `resources`, or `closed`
   */
  receive(origin: CheckpointOrigin, seal: Uint8Array): Promise<CheckpointReceiver>
  /** Abandons what is unfinished. Readers that are still open can read no more. */
  close(): Promise<void>
}

export interface CheckpointWriter {
  /** Bytes of chunks so far. */
  readonly bytes: number
  /**
   * Adds bytes to a section; larger ones are cut into chunks. Sections follow each other: none is continued after the
   * next has begun. Resolves when the next bytes may come, so that a slow disk holds the caller up instead of filling
   * the memory; the bytes are copied before it returns. Do not call it again before that.
   *
   * @throws EpaxosError `storage` if what came before could not be written: abandon it then
   */
  append(section: string, bytes: Uint8Array): Promise<void>
  /**
   * Writes the seal. Resolves when the checkpoint is whole and synced: from then on it is the {@link
   * CheckpointStore.latest}, and the one before it is removed.
   *
   * @param journal the number of the header, if it was not known at the beginning
   * @throws EpaxosError `storage`: abandon it then
   */
  finish(journal?: number): Promise<void>
  /** Removes what was written, unless it is finished. Never rejects. */
  abandon(): Promise<void>
}

/** The checkpoint of a peer: the same origin is always the same bytes. */
export interface CheckpointOrigin {
  /** The id of the replica that took it. */
  readonly giver: number
  /** Its {@link CheckpointReader.number} there. */
  readonly number: number
}

/** A checkpoint that comes from a peer, chunk by chunk. It outlives restarts, and is never the latest of its store. */
export interface CheckpointReceiver {
  readonly origin: CheckpointOrigin
  readonly header: CheckpointHeader
  /** Of all its chunks together. */
  readonly bytes: number
  readonly chunkCount: number
  /** How many chunks are here, from the first one on. */
  readonly received: number
  /**
   * Adds the next chunk, a copy. Resolves when another may come. Do not call it again before that.
   *
   * @throws EpaxosError `malformed` if it cannot be a chunk of this checkpoint, `storage`, or `closed`: discard it then
   */
  append(chunk: Uint8Array): Promise<void>
  /** Reads it, when all chunks are here and {@link append} has resolved. Close the reader before {@link discard}. */
  read(): CheckpointReader
  /** It is not needed any more. Never rejects. */
  discard(): Promise<void>
}

export interface CheckpointReader {
  readonly header: CheckpointHeader
  /** In the order in which they were written. */
  readonly sections: readonly CheckpointSection[]
  /** Of all chunks together. */
  readonly bytes: number
  /** Distinguishes this checkpoint from the others of this store, also across restarts. */
  readonly number: number
  /**
   * The chunks of a section, in order; none if there is no such section. The caller owns the bytes.
   *
   * @throws EpaxosError while iterating: `damaged` at the first chunk that is not what was written
   */
  chunks(section: string): Iterable<Uint8Array>
  /** The seal in bytes, for a peer that receives this checkpoint. */
  readonly seal: Uint8Array
  /** Of all sections. */
  readonly chunkCount: number
  /**
   * Chunk `index`, counted from 0 over all sections.
   *
   * @throws EpaxosError `damaged`
   */
  chunk(index: number): Uint8Array
  /** Closing twice is closing. */
  close(): void
}
