import { EpaxosError, ErrorCode } from '../errors.ts'
import { assert } from '../protocol/assert.ts'
import { type NumberedRecord, type RecordFile, SEAL_KEY } from './checkpoint-files.ts'
import { CHUNK_BYTES, encodeChunk, encodeSeal } from './checkpoint-format.ts'
import type { CheckpointHeader, CheckpointWriter } from './checkpoints.ts'

/**
 * Bytes that are written and synced together. While one group is written the next one gathers, so a writer holds twice
 * as much. Larger groups save syncs, but make the journal wait longer where both are on one disk.
 */
const GROUP_BYTES = 1 << 20

export interface WriterOptions {
  readonly header: CheckpointHeader
  /** Of the checkpoint. */
  readonly number: number
  readonly file: RecordFile
  /** The file is sealed and closed: makes it whole. */
  readonly sealed: () => Promise<void>
  /** The file is closed, and is of no use. */
  readonly abandoned: () => Promise<void>
}

/** Gathers chunks into groups, counts them, and writes the seal after the last group is synced. */
export class SealingWriter implements CheckpointWriter {
  readonly #options: WriterOptions
  readonly #sections: { readonly name: string; chunks: number; bytes: number }[] = []
  #chunks = 0
  #bytes = 0
  #gathered: NumberedRecord[] = []
  #gatheredBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #finishing: Promise<void> | null = null
  #abandoning: Promise<void> | null = null

  constructor(options: WriterOptions) {
    this.#options = options
  }

  get bytes(): number {
    return this.#bytes
  }

  async append(section: string, bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    const current = this.#sectionOf(section)
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES)
      this.#gather(this.#chunks + 1, encodeChunk(this.#options.number, this.#chunks, chunk))
      this.#chunks++
      this.#bytes += chunk.length
      current.chunks++
      current.bytes += chunk.length
    }
    if (this.#gatheredBytes < GROUP_BYTES) return
    await this.#writing
    this.#write()
  }

  finish(journal = this.#options.header.journal): Promise<void> {
    this.#assertOpen()
    this.#finishing = this.#finish(journal)
    return this.#finishing
  }

  async #finish(journal: number): Promise<void> {
    const { file, sealed } = this.#options
    const header = { ...this.#options.header, journal }
    await this.#writing
    await this.#write()
    this.#gather(SEAL_KEY, encodeSeal({ header, sections: this.#sections }))
    await this.#write()
    await file.close()
    await sealed()
  }

  abandon(): Promise<void> {
    this.#abandoning ??= this.#abandon()
    return this.#abandoning
  }

  async #abandon(): Promise<void> {
    const { file, abandoned } = this.#options
    const finished = await (this.#finishing ?? Promise.reject()).then(
      () => true,
      () => false,
    )
    if (finished) return
    await this.#writing.catch(() => {})
    await file.close().catch(() => {})
    await abandoned()
  }

  #assertOpen(): void {
    if (this.#abandoning !== null) throw new EpaxosError(ErrorCode.closed, 'The checkpoint was abandoned')
    assert(this.#finishing === null, 'a checkpoint is finished once, and nothing comes after')
  }

  #sectionOf(name: string) {
    const current = this.#sections.at(-1)
    if (current?.name === name) return current
    assert(!this.#sections.some((section) => section.name === name), `the section ${name} is not continued`)
    const section = { name, chunks: 0, bytes: 0 }
    this.#sections.push(section)
    return section
  }

  #gather(key: number, record: Uint8Array): void {
    this.#gathered.push({ key, record })
    this.#gatheredBytes += record.length
  }

  /** Writes what was gathered, when what came before is written. */
  #write(): Promise<void> {
    const group = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#writing = group.length === 0 ? this.#writing : this.#options.file.write(group)
    // Reported by the next call that waits for it.
    this.#writing.catch(() => {})
    return this.#writing
  }
}
