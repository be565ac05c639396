import type { Vector } from '../engine/engine.ts'
import { type Footprint, isFootprint } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { ChunkReader, ChunkWriter } from '../execution/chunks.ts'
import type { ExecutedPart, Image, ImageHead, ImagePart } from '../protocol/image.ts'
import type { Membership } from '../protocol/membership.ts'
import type { InstanceRecord } from '../protocol/records.ts'
import { FORMAT_VERSION, MAX_BATCH_BYTES, MAX_FOOTPRINT_WORDS, MAX_FRAME_BYTES } from './limits.ts'
import { decodeRecords, encodeRecords } from './records.ts'

/**
 * The core's part in a checkpoint as bytes. It has no checksums of its own: checkpoints have them.
 *
 * ```
 * u32 identifier "EPXI" · u32 format version · u32 replicas
 * per part: u8 kind, then
 *   head      u32 epoch · u64 slot · floor, dropped, executed: vectors · per row: u32 count, u64 slots
 *   executed  u8 row · u64 slot · u8 flags · u64 value and u32 record of its batch · u64 ballot · vector unless no-op ·
 *             u32 words of the footprint, words · u32 bytes of the batch, bytes; what there is, the flags say
 *   open      u32 bytes · the record, as a journal value
 * u8 end
 * ```
 */
const IDENTIFIER = 0x4958_5045
const Kind = { end: 0, head: 1, executed: 2, open: 3 } as const
const NOOP = 1
const INDEXED = 2
/** With its batch, whose footprint it is then. */
const WHOLE = 4
const BALLOTED = 8

/** Reads the image to its end and releases it; the chunks may be taken over many turns. */
export function* encodeImage(image: Pick<Image, 'head' | 'parts' | 'release'>): Generator<Uint8Array> {
  const writer = new ChunkWriter()
  writer.u32(IDENTIFIER)
  writer.u32(FORMAT_VERSION)
  writer.u32(image.head.dropped.length)
  try {
    for (const part of image.parts()) {
      writePart(writer, part)
      if (writer.full) yield writer.take()
    }
  } finally {
    image.release()
  }
  writer.u8(Kind.end)
  yield writer.take()
}

function writePart(writer: ChunkWriter, part: ImagePart): void {
  writer.u8(Kind[part.kind])
  switch (part.kind) {
    case 'head':
      return writeHead(writer, part.head)
    case 'executed':
      return writeExecuted(writer, part.executed)
    case 'open': {
      const value = encodeRecords([part.record])
      writer.u32(value.length)
      writer.bytes(value)
    }
  }
}

function writeHead(writer: ChunkWriter, { epoch, slot, floor, dropped, executed, beyond }: ImageHead): void {
  writer.u32(epoch)
  writer.u64(slot)
  for (const vector of [floor, dropped, executed]) writeVector(writer, vector)
  for (const slots of beyond) {
    writer.u32(slots.length)
    writeVector(writer, slots)
  }
}

function writeExecuted(writer: ChunkWriter, part: ExecutedPart): void {
  const { row, slot, isNoop, deps, voteBallot, batchNumber, batchIndex, batch } = part
  const footprint = batch?.footprint ?? part.footprint
  writer.u8(row)
  writer.u64(slot)
  writer.u8(flagsOf(part))
  writer.u64(batchNumber)
  writer.u32(batchIndex)
  if (voteBallot > 0) writer.u64(voteBallot)
  if (!isNoop) writeVector(writer, deps)
  if (footprint === null) return
  writer.u32(footprint.length)
  for (const word of footprint) writer.u32(word)
  if (batch === null) return
  writer.u32(batch.commands.length)
  writer.bytes(batch.commands)
}

function flagsOf({ isNoop, footprint, batch, voteBallot }: ExecutedPart): number {
  const indexed = footprint === null && batch === null ? 0 : INDEXED
  return (isNoop ? NOOP : 0) | indexed | (batch === null ? 0 : WHOLE) | (voteBallot === 0 ? 0 : BALLOTED)
}

function writeVector(writer: ChunkWriter, vector: Vector): void {
  for (const slot of vector) writer.u64(slot)
}

/** The parts of an image, wherever its chunks were cut. Throws an `EpaxosError` with code `damaged`. */
export function* decodeImage(chunks: Iterable<Uint8Array>, members: Membership): Generator<ImagePart> {
  const { replicas } = members.quorums
  const reader = new ChunkReader(chunks)
  check(reader.u32() === IDENTIFIER, 'it is none')
  check(reader.u32() === FORMAT_VERSION, 'another format version')
  check(reader.u32() === replicas, 'another number of replicas')
  for (let kind = reader.u8(); kind !== Kind.end; kind = reader.u8()) yield readPart(reader, kind, members)
  reader.end()
}

function readPart(reader: ChunkReader, kind: number, members: Membership): ImagePart {
  switch (kind) {
    case Kind.head:
      return { kind: 'head', head: readHead(reader, members.quorums.replicas) }
    case Kind.executed:
      return { kind: 'executed', executed: readExecuted(reader, members.quorums.replicas) }
    case Kind.open:
      return { kind: 'open', record: readRecord(reader, members) }
  }
  throw damaged(`a part of kind ${kind}`)
}

function readHead(reader: ChunkReader, replicas: number): ImageHead {
  const epoch = reader.u32()
  const slot = reader.u64()
  const floor = readVector(reader, replicas)
  const dropped = readVector(reader, replicas)
  const executed = readVector(reader, replicas)
  const beyond = executed.map(() => readVector(reader, reader.u32()))
  for (const [row, slots] of beyond.entries()) {
    const isRising = slots.every(
      (slot, i) => slot > (i === 0 ? (executed[row] as number) + 1 : (slots[i - 1] as number)),
    )
    check(isRising, 'slots that do not rise')
  }
  check(
    dropped.every((slot, row) => slot <= (executed[row] as number)),
    'what has not executed is forgotten',
  )
  return { epoch, slot, floor, dropped, executed, beyond }
}

function readExecuted(reader: ChunkReader, replicas: number): ExecutedPart {
  const row = reader.u8()
  const slot = reader.u64()
  const flags = reader.u8()
  const batchNumber = reader.u64()
  const batchIndex = reader.u32()
  const isNoop = (flags & NOOP) !== 0
  const voteBallot = flags & BALLOTED ? reader.u64() : 0
  const deps = isNoop ? new Array<number>(replicas).fill(0) : readVector(reader, replicas)
  const footprint = flags & INDEXED ? readFootprint(reader) : null
  const commands = flags & WHOLE ? readCommands(reader) : null
  check(row < replicas && slot > 0, 'an instance of no row')
  check((isNoop && commands === null) || footprint !== null, 'a batch without a footprint')
  const batch = commands === null || footprint === null ? null : { footprint, commands }
  return { row, slot, isNoop, deps, voteBallot, footprint, batchNumber, batchIndex, batch }
}

function readCommands(reader: ChunkReader): Uint8Array {
  const size = reader.u32()
  check(size <= MAX_BATCH_BYTES, 'a batch beyond the limit')
  return reader.bytes(size)
}

function readFootprint(reader: ChunkReader): Footprint {
  const words = reader.u32()
  check(words <= MAX_FOOTPRINT_WORDS, 'a footprint beyond the limit')
  const bytes = reader.bytes(4 * words)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const footprint = Uint32Array.from({ length: words }, (_, i) => view.getUint32(4 * i, true))
  check(isFootprint(footprint), 'what is no footprint')
  return footprint
}

function readRecord(reader: ChunkReader, members: Membership): InstanceRecord {
  const size = reader.u32()
  check(size <= MAX_FRAME_BYTES, 'a record beyond the limit')
  let found: InstanceRecord | null = null
  decodeRecords(reader.bytes(size), members, (record) => {
    if ('slot' in record) found = record
  })
  if (found === null) throw damaged('a record of no instance')
  return found
}

function readVector(reader: ChunkReader, length: number): number[] {
  const slots: number[] = []
  for (let i = 0; i < length; i++) slots.push(reader.u64())
  check(slots.every(Number.isSafeInteger), 'slots beyond the limit')
  return slots
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw damaged(what)
}

function damaged(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `damaged image of the core: ${what}`)
}
