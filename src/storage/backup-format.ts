import { createHash } from 'node:crypto'
import { crc32 } from '../codec/crc32.ts'
import { readU32, writeU32 } from '../execution/bytes.ts'
import { encodeChunk, encodeSeal, type Seal } from './checkpoint-format.ts'
import type { CheckpointHeader, CheckpointSection } from './checkpoints.ts'

/**
 * A backup: the applied state of a replica (machine and sessions) in one file. Little-endian, no padding:
 *
 * ```
 * "EPXBACK" and the version of this layout, 8 bytes
 * frames: u8 kind, u32 size, the record
 *   about   one: u32 checksum, JSON ({@link About})
 *   chunk   any number: as in a checkpoint (checkpoint-format.ts)
 *   seal    one: as in a checkpoint
 * SHA-256 of all that comes before, 32 bytes: the **digest**
 * ```
 *
 * Chunks and seal are those of a checkpoint, which reads them. So each byte is under a checksum or decides how the file
 * is read, and the digest covers everything, and names the backup.
 */
const LAYOUT = 'EPXBACK'
const LAYOUT_VERSION = '1'
export const MAGIC = new TextEncoder().encode(LAYOUT + LAYOUT_VERSION)

export const FrameKind = { about: 1, chunk: 2, seal: 3 } as const

export const FRAME_HEADER_BYTES = 5

export const DIGEST_BYTES = 32

/** The number of the checkpoint that its chunks name. */
export const BACKUP_NUMBER = 1

/** Where a backup comes from. Its seal has a header as well (checkpoints.ts). */
export interface About {
  readonly formatVersion: number
  /** The cluster's name. */
  readonly cluster: string
  /** Of the cluster; null if it was never founded. */
  readonly clusterId: string | null
  /** How many members it had. */
  readonly replicas: number
  /** By the clock of the replica, in ISO 8601. */
  readonly takenAt: string
}

/** Gives the bytes of a backup piece by piece, in order; all of them belong to the caller. */
export class BackupEncoder {
  readonly #hash = createHash('sha256')
  readonly #sections: { readonly name: string; chunks: number; bytes: number }[] = []
  #chunks = 0

  begin(about: About): Uint8Array {
    return this.#hashed(Buffer.concat([MAGIC, frame(FrameKind.about, encodeAbout(about))]))
  }

  /** Sections come one after the other. A chunk has 1 to `CHUNK_BYTES` bytes. */
  chunk(section: string, bytes: Uint8Array): Uint8Array {
    let current = this.#sections.at(-1)
    if (current?.name !== section) {
      current = { name: section, chunks: 0, bytes: 0 }
      this.#sections.push(current)
    }
    current.chunks++
    current.bytes += bytes.length
    return this.#hashed(frame(FrameKind.chunk, encodeChunk(BACKUP_NUMBER, this.#chunks++, bytes)))
  }

  end(header: CheckpointHeader): Uint8Array {
    const seal = this.#hashed(frame(FrameKind.seal, encodeSeal({ header, sections: this.#sections })))
    return Buffer.concat([seal, this.#hash.digest()])
  }

  #hashed(bytes: Uint8Array): Uint8Array {
    this.#hash.update(bytes)
    return bytes
  }
}

/** The size of a whole backup in bytes. */
export function backupSize(about: About, { header, sections }: Seal): number {
  const chunkHeader = FRAME_HEADER_BYTES + encodeChunk(0, 0, new Uint8Array(0)).length
  const ends = MAGIC.length + 2 * FRAME_HEADER_BYTES + DIGEST_BYTES
  const sum = (of: (section: CheckpointSection) => number) => sections.reduce((total, one) => total + of(one), 0)
  const records = encodeAbout(about).length + encodeSeal({ header, sections }).length
  return ends + records + sum(({ chunks, bytes }) => chunks * chunkHeader + bytes)
}

/** What a backup says about itself, or what is wrong with the record. */
export function decodeAbout(record: Uint8Array): About | string {
  const text = record.subarray(4)
  if (record.length <= 4 || crc32(text) !== readU32(record, 0)) return 'has a wrong checksum'
  try {
    return JSON.parse(new TextDecoder().decode(text)) as About
  } catch {
    return 'is no JSON'
  }
}

/** Whether the bytes begin a backup of another layout. */
export function isOtherLayout(magic: Uint8Array): boolean {
  return new TextDecoder().decode(magic.subarray(0, LAYOUT.length)) === LAYOUT
}

/** `u32 checksum`, and JSON. */
function encodeAbout(about: About): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(about))
  const record = new Uint8Array(4 + text.length)
  record.set(text, 4)
  writeU32(record, 0, crc32(text))
  return record
}

function frame(kind: number, record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + record.length)
  bytes[0] = kind
  writeU32(bytes, 1, record.length)
  bytes.set(record, FRAME_HEADER_BYTES)
  return bytes
}
