import { EpaxosError, ErrorCode } from '../errors.ts'
import { type RecordFile, SEAL_KEY } from './checkpoint-files.ts'
import { decodeChunk, decodeSeal, type Seal } from './checkpoint-format.ts'
import type { CheckpointHeader, CheckpointReader, CheckpointSection } from './checkpoints.ts'

/** Reads a whole checkpoint, and checks each chunk against its checksum and its place. */
export class SealedReader implements CheckpointReader {
  readonly number: number
  readonly #file: Pick<RecordFile, 'read'>
  readonly #where: string
  readonly #seal: Seal
  readonly seal: Uint8Array
  readonly #closed: () => void
  #open = true

  /**
   * @param where the checkpoint, for people
   * @param closed called once
   * @throws EpaxosError `damaged` if the seal cannot be read
   */
  constructor(number: number, file: Pick<RecordFile, 'read'>, where: string, closed: () => void) {
    const record = file.read(SEAL_KEY)
    const seal = record === null ? 'is missing' : decodeSeal(record)
    if (typeof seal === 'string') throw damaged(where, `its seal ${seal}`)
    this.number = number
    this.#file = file
    this.#where = where
    this.#seal = seal
    this.seal = record as Uint8Array
    this.#closed = closed
  }

  get header(): CheckpointHeader {
    return this.#seal.header
  }

  get sections(): readonly CheckpointSection[] {
    return this.#seal.sections
  }

  get bytes(): number {
    return this.sections.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get chunkCount(): number {
    return this.sections.reduce((sum, { chunks }) => sum + chunks, 0)
  }

  *chunks(name: string): Iterable<Uint8Array> {
    let first = 0
    for (const section of this.sections) {
      const end = first + section.chunks
      if (section.name === name) for (let index = first; index < end; index++) yield this.chunk(index)
      first = end
    }
  }

  chunk(index: number): Uint8Array {
    if (!this.#open) throw new EpaxosError(ErrorCode.closed, `The checkpoint ${this.#where} is closed`)
    const chunk = decodeChunk(this.#file.read(index + 1), this.number, index)
    if (typeof chunk === 'string') throw damaged(this.#where, `chunk ${index}${this.#sectionOf(index)} ${chunk}`)
    return chunk
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#closed()
  }

  /** For people. */
  #sectionOf(index: number): string {
    let end = 0
    const section = this.sections.find(({ chunks }) => {
      end += chunks
      return index < end
    })
    return section === undefined ? '' : ` (${section.name})`
  }
}

function damaged(where: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `The checkpoint ${where} is damaged: ${what}`)
}
