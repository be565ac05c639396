import { EpaxosError, ErrorCode } from '../errors.ts'
import { assert } from '../protocol/assert.ts'
import { type RecordFile, type RecordFiles, SEAL_KEY } from './checkpoint-files.ts'
import { decodeSeal } from './checkpoint-format.ts'
import { SealedReader } from './checkpoint-reader.ts'
import { ChunkReceiver } from './checkpoint-receiver.ts'
import { SealingWriter } from './checkpoint-writer.ts'
import type {
  CheckpointHeader,
  CheckpointOrigin,
  CheckpointReader,
  CheckpointReceiver,
  CheckpointStore,
  CheckpointWriter,
} from './checkpoints.ts'

/** A file that is open to be read, and by how many readers. */
interface Opened {
  readonly file: RecordFile
  readers: number
}

/** The checkpoints of one replica, in files of records, wherever those are. */
export class FileCheckpoints implements CheckpointStore {
  readonly #files: RecordFiles
  readonly #where: string
  readonly #opened = new Map<number, Opened>()
  #lastNumber: number
  /** Those before the newest are not needed. */
  #settled = false
  #writer: SealingWriter | null = null
  #receiver: ChunkReceiver | null = null
  #removing: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  /** @param where the place of the files, for people */
  constructor(files: RecordFiles, where: string) {
    this.#files = files
    this.#where = where
    this.#lastNumber = files.whole.at(-1) ?? 0
  }

  get whole(): readonly number[] {
    return this.#files.whole
  }

  latest(): CheckpointReader | null {
    this.#assertOpen()
    const newest = this.whole.at(-1)
    return newest === undefined ? null : this.read(newest)
  }

  read(number: number): CheckpointReader {
    this.#assertOpen()
    const opened = this.#opened.get(number) ?? { file: this.#files.open(number), readers: 0 }
    this.#opened.set(number, opened)
    const reader = new SealedReader(number, opened.file, `${this.#where}/${number}`, () => {
      opened.readers--
      this.#removeOld()
    })
    opened.readers++
    return reader
  }

  settle(): void {
    this.#settled = true
    this.#removeOld()
  }

  begin(header: CheckpointHeader): CheckpointWriter {
    this.#assertOpen()
    assert(this.#writer === null, 'there is one unfinished checkpoint at most')
    const number = ++this.#lastNumber
    this.#writer = new SealingWriter({
      header,
      number,
      file: this.#files.create(number),
      sealed: async () => {
        await this.#files.makeWhole(number)
        this.#writer = null
        this.settle()
      },
      abandoned: async () => {
        await this.#files.remove(number)
        this.#writer = null
      },
    })
    return this.#writer
  }

  received(): CheckpointReceiver | null {
    this.#assertOpen()
    const origin = this.#files.received
    if (this.#receiver !== null || origin === null) return this.#receiver
    let file: RecordFile | null = null
    try {
      file = this.#files.openReceived(origin)
      this.#receiver = this.#receiverOf(origin, file)
    } catch (error) {
      // It can be received again.
      if ((error as EpaxosError).code !== ErrorCode.damaged) throw error
      this.#removeReceived(file)
    }
    return this.#receiver
  }

  #removeReceived(file: RecordFile | null): void {
    const closed = file?.close().catch(() => {}) ?? Promise.resolve()
    this.#removing = Promise.all([this.#removing, closed.then(() => this.#files.removeReceived())])
  }

  async receive(origin: CheckpointOrigin, seal: Uint8Array): Promise<CheckpointReceiver> {
    this.#assertOpen()
    const decoded = decodeSeal(seal)
    if (typeof decoded === 'string') throw new EpaxosError(ErrorCode.malformed, `The seal of a checkpoint ${decoded}`)
    await this.#receiver?.discard()
    await this.#removing
    await this.#files.removeReceived()
    this.#assertOpen()
    const file = this.#files.openReceived(origin)
    try {
      await file.write([{ key: SEAL_KEY, record: seal }])
    } catch (error) {
      await file.close().catch(() => {})
      await this.#files.removeReceived()
      throw error
    }
    this.#receiver = this.#receiverOf(origin, file)
    return this.#receiver
  }

  #receiverOf(origin: CheckpointOrigin, file: RecordFile): ChunkReceiver {
    const where = `${this.#where}/received from replica ${origin.giver}`
    return new ChunkReceiver(origin, file, where, async () => {
      this.#receiver = null
      await this.#files.removeReceived()
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#writer?.abandon()
    await this.#receiver?.close()
    await this.#removing
    await Promise.all([...this.#opened.values()].map(({ file }) => file.close()))
  }

  /** What is read stays until its readers are closed. */
  #removeOld(): void {
    if (!this.#settled) return
    for (const number of this.whole.slice(0, -1)) {
      const opened = this.#opened.get(number)
      if ((opened?.readers ?? 0) > 0) continue
      this.#opened.delete(number)
      const closed = opened?.file.close() ?? Promise.resolve()
      this.#removing = Promise.all([this.#removing, closed.then(() => this.#files.remove(number))])
    }
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new EpaxosError(ErrorCode.closed, 'The checkpoints are closed')
  }
}
