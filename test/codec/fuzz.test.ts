import { isDeepStrictEqual } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeFromClient, decodeFromServer } from '../../src/codec/client.ts'
import { readGenerated as readClient } from '../../src/codec/client-generated.ts'
import { slicedCrc32 } from '../../src/codec/crc32.ts'
import { clientLayout } from '../../src/codec/generated/client/layout.ts'
import { journalLayout } from '../../src/codec/generated/journal/layout.ts'
import { peerLayout } from '../../src/codec/generated/peer/layout.ts'
import type { Layout } from '../../src/codec/layout.ts'
import { decodeFrame, encodeMessage } from '../../src/codec/peer.ts'
import { readGenerated as readMessage } from '../../src/codec/peer-generated.ts'
import { decodeRecords, encodeRecords } from '../../src/codec/records.ts'
import { readGenerated as readRecord } from '../../src/codec/records-generated.ts'
import { verify } from '../../src/codec/verify.ts'
import { EpaxosError } from '../../src/errors.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { buildHotMessage, buildHotRecord, type HotRecord, isHot } from '../support/builders.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { mutate, Surroundings } from './mutate.ts'
import { clientMessage, clientTypes, encodeClient, message, messageTypes, record, recordTypes } from './samples.ts'

const test = suite('mutated messages')
const seed = freshSeed()
const REPLICAS = 3
const PER_TYPE = 12_000
const SAMPLES = 60

/** How one kind of bytes is made, wrapped and read. */
interface Kind<T> {
  readonly layout: Layout
  readonly codes: readonly string[]
  /** A valid flatbuffer of the type. */
  sample(random: Random): Uint8Array
  /** What arrives: with correct or wrong sizes and checksums. */
  wrap(random: Random, flatbuffer: Uint8Array): Uint8Array
  decode(bytes: Uint8Array): T[]
  /** The reader behind the verifier. */
  generated(flatbuffer: Uint8Array): T
  /** Where the flatbuffer begins in what arrives. */
  readonly start: number
}

function sized(random: Random, flatbuffer: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + flatbuffer.length)
  bytes.set(flatbuffer, 4)
  const size = random.chance(0.97) ? flatbuffer.length : random.below(2 * flatbuffer.length + 8)
  new DataView(bytes.buffer).setUint32(0, size, true)
  return bytes
}

function recordValue(random: Random, flatbuffer: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + flatbuffer.length)
  bytes.set(encodeRecords([]))
  bytes.set(flatbuffer, 20)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, random.chance(0.98) ? 1 : random.below(2 ** 32), true)
  view.setUint32(12, random.chance(0.98) ? flatbuffer.length : random.below(2 ** 32), true)
  view.setUint32(16, random.chance(0.98) ? slicedCrc32(flatbuffer) : random.below(2 ** 32), true)
  return bytes
}

/** Everything that a decoder returns; views are copied, because they are valid only until it returns. */
function gathered<T>(decode: (handle: (each: T) => void) => void): T[] {
  const all: T[] = []
  decode((each) => all.push(structuredClone(each)))
  return all
}

type Result<T> = { readonly decoded: readonly T[] } | { readonly error: string }

function outcome<T>(kind: Kind<T>, bytes: Uint8Array): Result<T> {
  try {
    return { decoded: kind.decode(bytes) }
  } catch (error) {
    if (error instanceof EpaxosError && kind.codes.includes(error.code)) return { error: error.message }
    throw error
  }
}

function fuzz<T>(name: string, kind: Kind<T>): void {
  test(`${name}: each is either a valid message or refused, and nothing around it is read`, () => {
    const random = new Random(seed)
    const samples = Array.from({ length: SAMPLES }, () => kind.sample(random))
    const surroundings = new Surroundings()
    const traceLimit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    let valid = 0
    for (let round = 0; round < PER_TYPE; round++) {
      const flatbuffer = mutate(random, random.pick(samples), random.pick(samples))
      const bytes = kind.wrap(random, flatbuffer)
      const [one, two] = surroundings.both(bytes, random.below(8), (placed) => outcome(kind, placed))
      const where = `EPAXOS_SEED=${seed}, ${name}, round ${round}`
      if (!isDeepStrictEqual(one, two)) assert.equal(one, two, `depends on what is around it: ${where}`)
      if ('decoded' in one && one.decoded.length > 0) {
        valid++
        checkAccepted(kind, bytes, one.decoded, where)
      }
    }
    Error.stackTraceLimit = traceLimit
    assert.ok(valid > PER_TYPE / 100 && valid < PER_TYPE, `${valid} of ${PER_TYPE} were valid: EPAXOS_SEED=${seed}`)
    volume(`mutated ${name}`, PER_TYPE)
    volume('mutated, still valid', valid)
  })
}

/**
 * Checks that the direct readers accept nothing that the verifier and the generated accessors refuse or read
 * differently.
 */
function checkAccepted<T>(kind: Kind<T>, bytes: Uint8Array, decoded: readonly T[], where: string): void {
  assert.is(decoded.length, 1, where)
  verify(new DataView(bytes.buffer), kind.start, bytes.length, kind.layout)
  const generated = kind.generated(bytes.slice(kind.start))
  if (!isDeepStrictEqual(generated, decoded[0])) assert.equal(generated, decoded[0], where)
}

for (const [name, type] of messageTypes) {
  fuzz(name, {
    layout: peerLayout,
    codes: ['malformed'],
    sample: (random) => {
      const sample = message(random, type, REPLICAS)
      return (isHot(sample) && random.chance(0.4) ? buildHotMessage(sample) : encodeMessage(sample)).slice(4)
    },
    wrap: sized,
    decode: (bytes) => gathered((handle) => decodeFrame(bytes, members(REPLICAS), handle)),
    generated: (flatbuffer) => readMessage(flatbuffer, REPLICAS),
    start: 4,
  })
}

for (const [name, type] of recordTypes) {
  fuzz(`${name} record`, {
    layout: journalLayout,
    codes: ['damaged'],
    sample: (random) => {
      const sample = record(random, type, REPLICAS)
      const isHotType = type === RecordType.pre || type === RecordType.acc || type === RecordType.com
      if (isHotType && random.chance(0.4)) return buildHotRecord(sample as HotRecord).slice()
      return encodeRecords([sample]).slice(20)
    },
    wrap: recordValue,
    decode: (bytes) => gathered((handle) => decodeRecords(bytes, members(REPLICAS), handle)),
    generated: (flatbuffer) => readRecord(flatbuffer, REPLICAS),
    start: 20,
  })
}

for (const [name, type] of clientTypes) {
  const byClient = name === 'request' || name === 'hello'
  fuzz(`client ${name}`, {
    layout: clientLayout,
    codes: ['malformed'],
    sample: (random) => encodeClient(clientMessage(random, type)).slice(4),
    wrap: sized,
    decode: (bytes) =>
      gathered((handle) => (byClient ? decodeFromClient(bytes, handle) : decodeFromServer(bytes, handle))),
    generated: readClient,
    start: 4,
  })
}

test.run()
