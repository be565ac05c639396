import { crc32 } from '../codec/crc32.ts'
import { readU32, readU64, writeU32, writeU64 } from '../execution/bytes.ts'
import type { CheckpointHeader, CheckpointSection } from './checkpoints.ts'

/** The longest chunk: reading, checking and sending one takes well below a millisecond. */
export const CHUNK_BYTES = 128 << 10

/** In front of a chunk: `u32 checksum of all that follows, u32 index, u64 number of the checkpoint`. */
const RECORD_HEADER_BYTES = 16

const SEAL_CHECKSUM_BYTES = 4

/** What makes a checkpoint whole: its header, and how many chunks of which section there are. */
export interface Seal {
  readonly header: CheckpointHeader
  readonly sections: readonly CheckpointSection[]
}

/**
 * A chunk as it is stored, a copy. It names its place, so that a chunk of another place or of a checkpoint before, left
 * behind by a write that got lost, is noticed as well.
 */
export function encodeChunk(number: number, index: number, chunk: Uint8Array): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + chunk.length)
  writeU32(record, 4, index)
  writeU64(record, 8, number)
  record.set(chunk, RECORD_HEADER_BYTES)
  writeU32(record, 0, crc32(record.subarray(4)))
  return record
}

/** The chunk in a stored record, a view; or what is wrong with it. */
export function decodeChunk(record: Uint8Array | null, number: number, index: number): Uint8Array | string {
  if (record === null) return 'is missing'
  if (record.length <= RECORD_HEADER_BYTES) return 'is cut off'
  if (crc32(record.subarray(4)) !== readU32(record, 0)) return 'has a wrong checksum'
  if (readU32(record, 4) !== index || readU64(record, 8) !== number) return 'belongs elsewhere'
  return record.subarray(RECORD_HEADER_BYTES)
}

/** `u32 checksum`, and the seal in JSON. */
export function encodeSeal(seal: Seal): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(seal))
  const record = new Uint8Array(SEAL_CHECKSUM_BYTES + text.length)
  record.set(text, SEAL_CHECKSUM_BYTES)
  writeU32(record, 0, crc32(text))
  return record
}

/** The seal, or what is wrong with it. */
export function decodeSeal(record: Uint8Array): Seal | string {
  const text = record.subarray(SEAL_CHECKSUM_BYTES)
  if (record.length <= SEAL_CHECKSUM_BYTES || crc32(text) !== readU32(record, 0)) return 'has a wrong checksum'
  let seal: unknown
  try {
    seal = JSON.parse(new TextDecoder().decode(text))
  } catch {
    return 'is not JSON'
  }
  return isSeal(seal) ? seal : 'is not a seal'
}

/** A checksum says who wrote it, not what: another version may have written another seal. */
function isSeal(seal: unknown): seal is Seal {
  return isObject(seal) && isHeader(seal.header) && Array.isArray(seal.sections) && seal.sections.every(isSection)
}

function isHeader(header: unknown): header is CheckpointHeader {
  return (
    isObject(header) &&
    typeof header.cluster === 'string' &&
    [header.formatVersion, header.id, header.epoch, header.journal].every(isCount) &&
    isVector(header.executed) &&
    Array.isArray(header.beyond) &&
    header.beyond.length === header.executed.length &&
    header.beyond.every(isVector)
  )
}

function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isSection(section: unknown): section is CheckpointSection {
  return isObject(section) && typeof section.name === 'string' && isCount(section.chunks) && isCount(section.bytes)
}
