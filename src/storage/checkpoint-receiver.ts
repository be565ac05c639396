import { EpaxosError, ErrorCode } from '../errors.ts'
import { assert } from '../protocol/assert.ts'
import type { NumberedRecord, RecordFile } from './checkpoint-files.ts'
import { CHUNK_BYTES, encodeChunk } from './checkpoint-format.ts'
import { SealedReader } from './checkpoint-reader.ts'
import type { CheckpointHeader, CheckpointOrigin, CheckpointReader, CheckpointReceiver } from './checkpoints.ts'

/** Bytes that are written and synced together. */
const GROUP_BYTES = 1 << 20

/** Writes the chunks of a peer's checkpoint as they come. Its file has the seal from the beginning. */
export class ChunkReceiver implements CheckpointReceiver {
  readonly origin: CheckpointOrigin
  readonly #file: RecordFile
  readonly #where: string
  readonly #gone: () => Promise<void>
  /** Knows the seal. */
  readonly #reader: SealedReader
  #received: number
  #gathered: NumberedRecord[] = []
  #gatheredBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #closed = false
  #discarding: Promise<void> | null = null

  /**
   * @param where the checkpoint, for people
   * @param gone it is discarded and its file is closed
   * @throws EpaxosError `damaged` if its seal cannot be read
   */
  constructor(origin: CheckpointOrigin, file: RecordFile, where: string, gone: () => Promise<void>) {
    this.origin = origin
    this.#file = file
    this.#where = where
    this.#gone = gone
    this.#reader = this.#open()
    this.#received = file.last
  }

  get header(): CheckpointHeader {
    return this.#reader.header
  }

  get bytes(): number {
    return this.#reader.bytes
  }

  get chunkCount(): number {
    return this.#reader.chunkCount
  }

  get received(): number {
    return this.#received
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#closed) throw new EpaxosError(ErrorCode.closed, 'The checkpoint is not received any more')
    if (chunk.length === 0 || chunk.length > CHUNK_BYTES || this.#received >= this.chunkCount) {
      throw new EpaxosError(ErrorCode.malformed, `no chunk of the checkpoint ${this.#where}`)
    }
    const record = encodeChunk(this.origin.number, this.#received, chunk)
    this.#received++
    this.#gathered.push({ key: this.#received, record })
    this.#gatheredBytes += record.length
    const isLast = this.#received === this.chunkCount
    if (this.#gatheredBytes < GROUP_BYTES && !isLast) return
    await this.#writing
    this.#write()
    if (isLast) await this.#writing
  }

  read(): CheckpointReader {
    assert(this.#received === this.chunkCount, 'a checkpoint is read when all of it is here')
    return this.#open()
  }

  discard(): Promise<void> {
    this.#discarding ??= this.close().then(this.#gone)
    return this.#discarding
  }

  /** What was received stays. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing.catch(() => {})
    await this.#file.close().catch(() => {})
  }

  #open(): SealedReader {
    return new SealedReader(this.origin.number, this.#file, this.#where, () => {})
  }

  #write(): void {
    this.#writing = this.#file.write(this.#gathered)
    // Reported by the next append.
    this.#writing.catch(() => {})
    this.#gathered = []
    this.#gatheredBytes = 0
  }
}
