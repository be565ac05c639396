import * as flatbuffers from 'flatbuffers'
import type { Vector } from '../engine/engine.ts'
import { isFootprint } from '../engine/footprint.ts'
import type { Batch } from '../protocol/messages.ts'
import type { Instance } from './generated/common/instance.ts'
import { Whole } from './generated/common/whole.ts'
import { MAX_UPPER_LANE } from './limits.ts'
import { malformed } from './malformed.ts'
import { batchWords } from './writer.ts'

/**
 * Converts between generated accessors and the values of the protocol, and back through a Builder. Used for messages
 * that are not hot, and for hot messages in a layout other than the canonical one. Reading expects verified bytes
 * (verify.ts) and checks what a schema cannot say.
 */

const lanes = new Whole()

export function wholeOf(whole: Whole | null, name: string): number {
  const { bb, bb_pos: at } = whole as Whole & { bb: flatbuffers.ByteBuffer }
  const upper = bb.readUint32(at + 4)
  if (upper >= MAX_UPPER_LANE) throw malformed(`${name} is beyond 2^53`)
  return upper * 0x1_0000_0000 + bb.readUint32(at)
}

/** Epoch, row and slot. */
export function idOf(about: Instance | null, replicas: number): { epoch: number; row: number; slot: number } {
  const id = about as Instance
  const row = rowOf(id.row(), replicas)
  const slot = wholeOf(id.slot(lanes), 'slot')
  if (slot === 0) throw malformed('slots count from 1')
  return { epoch: id.epoch(), row, slot }
}

export function rowOf(row: number, replicas: number): number {
  if (row >= replicas) throw malformed(`row ${row} of ${replicas}`)
  return row
}

/** The vector of `length` entries that `at` reads. */
export function vectorOf(
  length: number,
  at: (index: number, whole: Whole) => Whole | null,
  name: string,
  replicas: number,
): Vector {
  if (length !== replicas) throw malformed(`${name} has ${length} entries for ${replicas} replicas`)
  return Array.from({ length }, (_, row) => wholeOf(at(row, lanes), name))
}

interface WithBatch extends Body {
  footprint(index: number): number | null
  footprintLength(): number
  commandsArray(): Uint8Array | null
}

/**
 * Copies the batch; null if the message has none. `field` is the vtable offset of the footprint; the commands follow
 * it.
 */
export function batchOf(body: WithBatch, field: number): Batch | null {
  const hasFootprint = isThere(body, field)
  const hasCommands = isThere(body, field + 2)
  if (hasFootprint !== hasCommands) throw malformed('half a batch')
  if (!hasFootprint) return null
  const footprint = new Uint32Array(body.footprintLength())
  for (let i = 0; i < footprint.length; i++) footprint[i] = body.footprint(i) as number
  if (!isFootprint(footprint)) throw malformed('not a footprint')
  return { footprint, commands: (body.commandsArray() as Uint8Array).slice() }
}

/** A byte that must be one of the values of a constant object. */
export function oneOf<Value extends number>(
  values: Readonly<Record<string, Value>>,
  value: number,
  name: string,
): Value {
  if (!Object.values(values).includes(value as Value)) throw malformed(`${name} ${value}`)
  return value as Value
}

interface Body {
  readonly bb: flatbuffers.ByteBuffer | null
  readonly bb_pos: number
}

/** Whether the message has the field at this vtable offset: 4 + 2 × its id. */
export function isThere(body: Body, field: number): boolean {
  return (body.bb as flatbuffers.ByteBuffer).__offset(body.bb_pos, field) !== 0
}

/** Requires that a field of the schema that has no meaning in this version is absent. */
export function absent(body: Body, field: number, name: string): void {
  if (isThere(body, field)) throw malformed(`${name} is not known here`)
}

/** A boolean that must be written as 0 or 1. */
export function flagOf(body: Body, field: number, name: string): boolean {
  const bb = body.bb as flatbuffers.ByteBuffer
  const offset = bb.__offset(body.bb_pos, field)
  const value = offset === 0 ? 0 : bb.readUint8(body.bb_pos + offset)
  if (value > 1) throw malformed(`${name} is neither true nor false`)
  return value === 1
}

export function buildWhole(builder: flatbuffers.Builder, value: number): flatbuffers.Offset {
  return Whole.createWhole(builder, value >>> 0, Math.floor(value / 0x1_0000_0000))
}

export function buildVector(builder: flatbuffers.Builder, vector: Vector): flatbuffers.Offset {
  builder.startVector(8, vector.length, 4)
  for (let row = vector.length - 1; row >= 0; row--) buildWhole(builder, vector[row] as number)
  return builder.endVector()
}

/** Returns the offsets of the footprint and of the commands. Throws `too_large` for a batch beyond the limits. */
export function buildBatch(builder: flatbuffers.Builder, batch: Batch): [flatbuffers.Offset, flatbuffers.Offset] {
  batchWords(batch)
  const { footprint, commands } = batch
  builder.startVector(4, footprint.length, 4)
  for (let i = footprint.length - 1; i >= 0; i--) builder.addInt32(footprint[i] as number)
  return [builder.endVector(), builder.createByteVector(commands)]
}

const KEPT_BYTES = 1 << 20
let kept = new flatbuffers.Builder(1024)

/** Builds with a Builder that is reused; `build` must finish the buffer. The bytes are valid until the next call. */
export function built(build: (builder: flatbuffers.Builder) => void): Uint8Array {
  const builder = kept
  builder.clear()
  build(builder)
  if (builder.dataBuffer().capacity() > KEPT_BYTES) kept = new flatbuffers.Builder(1024)
  return builder.asUint8Array()
}
