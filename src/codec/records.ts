import { EpaxosError } from '../errors.ts'
import type { Membership } from '../protocol/membership.ts'
import { type JournalRecord, RecordType } from '../protocol/records.ts'
import { crc32 } from './crc32.ts'
import { journalLayout } from './generated/journal/layout.ts'
import { FORMAT_VERSION, MAX_RECORDS } from './limits.ts'
import { tooLarge } from './malformed.ts'
import { Reader } from './reader.ts'
import { readDirect, writeDecision, writePre } from './records-direct.ts'
import { buildRecord, readGenerated } from './records-generated.ts'
import { verify } from './verify.ts'
import { Writer } from './writer.ts'

/**
 * One value of the journal holds the records of a turn, in 32-bit words:
 *
 * ```
 * identifier "EPXJ" · format version · number of records
 * per record: bytes of the flatbuffer · their CRC-32 · flatbuffer, a multiple of 4 bytes
 * ```
 */
const HEADER_BYTES = 12
const RECORD_HEADER_WORDS = 2
const IDENTIFIER = 0x4a58_5045

const writer = new Writer()

/** The records as one value; the caller owns its bytes. Throws `too_large` beyond a limit. */
export function encodeRecords(records: readonly JournalRecord[]): Uint8Array {
  if (records.length > MAX_RECORDS) throw tooLarge('records', records.length, MAX_RECORDS)
  writer.clear()
  writer.reserve(HEADER_BYTES >>> 2)
  writer.word(IDENTIFIER)
  writer.word(FORMAT_VERSION)
  writer.word(records.length)
  for (const record of records) {
    const header = writer.length
    writer.reserve(RECORD_HEADER_WORDS)
    writer.word(0)
    writer.word(0)
    writeRecord(record)
    const flatbuffer = writer.since(header + RECORD_HEADER_WORDS)
    writer.patch(header, flatbuffer.length)
    writer.patch(header + 1, crc32(flatbuffer))
  }
  return writer.copy()
}

function writeRecord(record: JournalRecord): void {
  switch (record.type) {
    case RecordType.pre:
      return writePre(writer, record)
    case RecordType.acc:
    case RecordType.com:
      return writeDecision(writer, record)
    default: {
      const flatbuffer = buildRecord(record)
      writer.reserve(flatbuffer.length >>> 2)
      writer.append(flatbuffer)
    }
  }
}

/**
 * Calls `handle` with each record of a value and its index. Verifies checksums and bounds first. Throws `damaged`,
 * naming the record, at the first record that is not what was written; the records before it were handled. The records
 * keep no reference to `value`.
 */
export function decodeRecords(
  value: Uint8Array,
  members: Membership,
  handle: (record: JournalRecord, index: number) => void,
): void {
  const reader = new Reader(value, members.quorums.replicas)
  const count = recordCount(reader)
  let at = HEADER_BYTES
  for (let index = 0; index < count; index++) {
    const end = recordEnd(reader, at, index)
    handle(decode(reader, at, end, index), index)
    at = end
  }
  if (at !== value.length) throw damaged(count, 'bytes after the last record')
}

/** One record of a value, by the index that {@link decodeRecords} gave it. Throws `damaged`. */
export function decodeRecord(value: Uint8Array, index: number, members: Membership): JournalRecord {
  const reader = new Reader(value, members.quorums.replicas)
  if (index >= recordCount(reader)) throw damaged(index, 'no such record')
  let at = HEADER_BYTES
  for (let before = 0; before < index; before++) at = recordEnd(reader, at, before)
  return decode(reader, at, recordEnd(reader, at, index), index)
}

/** The number of records that the value says it has. */
function recordCount({ view }: Reader): number {
  if (view.byteLength < HEADER_BYTES || view.getUint32(0, true) !== IDENTIFIER) throw damaged(0, 'not a journal value')
  const version = view.getUint32(4, true)
  if (version !== FORMAT_VERSION) throw damaged(0, `format version ${version} instead of ${FORMAT_VERSION}`)
  const count = view.getUint32(8, true)
  if (count > MAX_RECORDS) throw damaged(0, `${count} records`)
  return count
}

/** The end of the record that begins at `at`. */
function recordEnd({ view }: Reader, at: number, index: number): number {
  const start = at + 4 * RECORD_HEADER_WORDS
  if (start > view.byteLength) throw damaged(index, 'missing')
  const size = view.getUint32(at, true)
  if (size === 0 || size % 4 !== 0 || start + size > view.byteLength) throw damaged(index, `${size} bytes long`)
  return start + size
}

function decode(reader: Reader, at: number, end: number, index: number): JournalRecord {
  const start = at + 4 * RECORD_HEADER_WORDS
  const flatbuffer = reader.bytes.subarray(start, end)
  if (crc32(flatbuffer) !== reader.view.getUint32(at + 4, true)) throw damaged(index, 'checksum')
  const direct = readDirect(reader, start, end)
  if (direct !== null) return direct
  try {
    verify(reader.view, start, end, journalLayout)
    return readGenerated(flatbuffer, reader.replicas)
  } catch (error) {
    throw damaged(index, (error as Error).message, error)
  }
}

function damaged(index: number, what: string, cause?: unknown): EpaxosError {
  return new EpaxosError('damaged', `damaged record ${index} of a journal value: ${what}`, { cause })
}
