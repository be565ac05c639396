import { createHash, type Hash } from 'node:crypto'
import { readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { readU32 } from '../execution/bytes.ts'
import {
  type About,
  BACKUP_NUMBER,
  DIGEST_BYTES,
  decodeAbout,
  FRAME_HEADER_BYTES,
  FrameKind,
  isOtherLayout,
  MAGIC,
} from './backup-format.ts'
import { SEAL_KEY } from './checkpoint-files.ts'
import { decodeChunk } from './checkpoint-format.ts'
import { SealedReader } from './checkpoint-reader.ts'
import type { CheckpointReader } from './checkpoints.ts'
import { storageError } from './environment.ts'

/** The longest record: the seal, which names every slot after a gap. A longer size is damage. */
const MAX_RECORD_BYTES = 256 << 20

/** How much was read of how much. */
export type Progress = (bytes: number, ofBytes: number) => void

/** A backup that was read from its first to its last byte, and is undamaged. */
export class BackupFile {
  readonly path: string
  readonly about: About
  /** Names the backup: SHA-256 of it, hexadecimal. */
  readonly digest: string
  /** The size of the file. */
  readonly bytes: number
  /** The state, as in a checkpoint: the sections `machine` and `sessions`. */
  readonly reader: CheckpointReader
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle, scan: Scan, seal: Uint8Array, digest: string) {
    this.path = path
    this.about = scan.about as About
    this.digest = digest
    this.bytes = scan.size
    this.#handle = handle
    const { chunks } = scan
    const read = (key: number) => (key === SEAL_KEY ? seal : this.#read(chunks[key - 1]))
    this.reader = new SealedReader(BACKUP_NUMBER, { read }, path, () => {})
  }

  /**
   * Reads the file, and checks every byte of it. Close it.
   *
   * @throws EpaxosError `not_a_backup`, `wrong_format`, `damaged`, or `storage` if it cannot be read
   */
  static async open(path: string, progress: Progress = () => {}): Promise<BackupFile> {
    let handle: FileHandle | null = null
    try {
      handle = await open(path, 'r')
      const stats = await handle.stat()
      if (!stats.isFile()) throw notBackup(path, 'is not a file')
      const scan = new Scan(path, handle, stats.size)
      const seal = await scan.frames(progress)
      const digest = await scan.end()
      const file = new BackupFile(path, handle, scan, seal, digest)
      if (file.reader.chunkCount !== scan.chunks.length) throw damaged(path, 'its seal names another number of chunks')
      return file
    } catch (error) {
      await handle?.close()
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notBackup(path, 'does not exist')
      throw storageError(`${path} cannot be read`, error)
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /** A record as it is now: chunks are checked again when they are read. Null for none. */
  #read(place: Place | undefined): Uint8Array | null {
    if (place === undefined) return null
    const record = new Uint8Array(place.size)
    try {
      const bytes = readSync(this.#handle.fd, record, 0, place.size, place.at)
      return record.subarray(0, bytes)
    } catch (error) {
      throw storageError(`${this.path} cannot be read`, error)
    }
  }
}

/** Of a record in the file. */
interface Place {
  readonly at: number
  readonly size: number
}

/** Reads frames in order. */
class Scan {
  readonly size: number
  readonly chunks: Place[] = []
  about: About | null = null
  readonly #path: string
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')
  #at = 0

  constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path
    this.#handle = handle
    this.size = size
  }

  /** Everything up to the seal, which is returned. */
  async frames(progress: Progress): Promise<Uint8Array> {
    await this.#magic()
    for (;;) {
      const header = await this.#take(FRAME_HEADER_BYTES)
      const size = readU32(header, 1)
      if (size > MAX_RECORD_BYTES) throw this.#damaged('a record beyond the limit')
      const record = await this.#take(size)
      progress(this.#at, this.size)
      if (this.about === null) this.#readAbout(header[0] as number, record)
      else if (header[0] === FrameKind.seal) return record
      else if (header[0] === FrameKind.chunk) this.#readChunk(record)
      else throw this.#damaged(`a record of kind ${header[0]}`)
    }
  }

  /** The digest, after which nothing comes. */
  async end(): Promise<string> {
    const digest = this.#hash.digest('hex')
    const written = await this.#take(DIGEST_BYTES, false)
    if (Buffer.from(written).toString('hex') !== digest) throw this.#damaged('its digest is that of another content')
    if (this.#at !== this.size) throw this.#damaged('something follows its end')
    return digest
  }

  async #magic(): Promise<void> {
    const magic = await this.#take(Math.min(MAGIC.length, this.size))
    if (magic.length > 0 && magic.every((byte, i) => byte === MAGIC[i])) {
      if (magic.length < MAGIC.length) throw this.#cutShort()
      return
    }
    if (isOtherLayout(magic)) throw wrongFormat(this.#path, 'another layout of backups')
    throw notBackup(this.#path, magic.length === 0 ? 'is empty' : 'is something else')
  }

  #readAbout(kind: number, record: Uint8Array): void {
    const about = kind === FrameKind.about ? decodeAbout(record) : 'is missing'
    if (typeof about === 'string') throw this.#damaged(`its beginning ${about}`)
    if (about.formatVersion !== FORMAT_VERSION) {
      throw wrongFormat(this.#path, `format ${about.formatVersion}, this program reads ${FORMAT_VERSION}`)
    }
    this.about = about
  }

  #readChunk(record: Uint8Array): void {
    const index = this.chunks.length
    const chunk = decodeChunk(record, BACKUP_NUMBER, index)
    if (typeof chunk === 'string') throw this.#damaged(`chunk ${index} ${chunk}`)
    this.chunks.push({ at: this.#at - record.length, size: record.length })
  }

  async #take(size: number, hashed = true): Promise<Uint8Array> {
    if (this.#at + size > this.size) throw this.#cutShort()
    const bytes = new Uint8Array(size)
    for (let done = 0; done < size; ) {
      const { bytesRead } = await this.#handle.read(bytes, done, size - done, this.#at + done)
      if (bytesRead === 0) throw this.#cutShort()
      done += bytesRead
    }
    this.#at += size
    if (hashed) this.#hash.update(bytes)
    return bytes
  }

  #cutShort(): EpaxosError {
    return this.#damaged(`it is cut short, at byte ${this.size}`)
  }

  #damaged(what: string): EpaxosError {
    return damaged(this.#path, what)
  }
}

function damaged(path: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `The backup ${path} is damaged: ${what}`)
}

function notBackup(path: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.notBackup, `${path} is not a backup: it ${what}`)
}

function wrongFormat(path: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.wrongFormat, `The backup ${path} was written by another version: ${what}`)
}
