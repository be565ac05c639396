import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { crc32 } from '../../src/codec/crc32.ts'
import { FORMAT_VERSION, MAX_BATCH_BYTES } from '../../src/codec/limits.ts'
import { Reader } from '../../src/codec/reader.ts'
import { decodeRecord, decodeRecords, encodeRecords } from '../../src/codec/records.ts'
import { readDirect } from '../../src/codec/records-direct.ts'
import { EpaxosError } from '../../src/errors.ts'
import { type JournalRecord, RecordType } from '../../src/protocol/records.ts'
import { buildHotRecord, type HotRecord } from '../support/builders.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { batch, record, recordTypes } from './samples.ts'

const test = suite('journal records')
const seed = freshSeed()
const FIRST = 12

function decoded(value: Uint8Array, replicas: number): JournalRecord[] {
  const records: JournalRecord[] = []
  decodeRecords(value, members(replicas), (each, index) => {
    assert.is(index, records.length)
    records.push(each)
  })
  return records
}

/** `damaged`, and the message names the record. */
const damagedAt = (index: number) => (error: unknown) =>
  error instanceof EpaxosError && error.code === 'damaged' && error.message.includes(`record ${index} `)

/** A value that holds one finished flatbuffer. */
function valueWith(flatbuffer: Uint8Array): Uint8Array {
  const value = encodeRecords([])
  const longer = new Uint8Array(value.length + 8 + flatbuffer.length)
  longer.set(value)
  const view = new DataView(longer.buffer)
  view.setUint32(8, 1, true)
  view.setUint32(FIRST, flatbuffer.length, true)
  view.setUint32(FIRST + 4, crc32(flatbuffer), true)
  longer.set(flatbuffer, FIRST + 8)
  return longer
}

for (const [name, type] of recordTypes) {
  test(`a ${name} record comes back as it was, among others and alone`, () => {
    const random = new Random(seed)
    for (let round = 0; round < 100; round++) {
      const replicas = 1 + (round % 9)
      const others = Array.from({ length: random.below(5) }, () =>
        record(random, random.pick(recordTypes)[1], replicas),
      )
      const records = [...others, record(random, type, replicas), ...others]
      const value = encodeRecords(records)
      const moved = Buffer.alloc(value.length + 3).subarray(round % 4, (round % 4) + value.length)
      moved.set(value)
      assert.equal(decoded(moved, replicas), records, `EPAXOS_SEED=${seed}, round ${round}`)
      moved.fill(0xff)
      const index = others.length
      assert.equal(decodeRecord(value, index, members(replicas)), records[index], `EPAXOS_SEED=${seed}, round ${round}`)
    }
    volume(`round trips ${name} record`, 100)
  })
}

test('hot records are read directly in the canonical layout, and all the same in the layout of a builder', () => {
  const random = new Random(seed)
  for (const type of [RecordType.pre, RecordType.acc, RecordType.com]) {
    for (let round = 0; round < 100; round++) {
      const sample = record(random, type, 3) as HotRecord
      const value = encodeRecords([sample])
      assert.equal(readDirect(new Reader(value, 3), FIRST + 8, value.length), sample, `EPAXOS_SEED=${seed}`)
      const foreign = valueWith(buildHotRecord(sample))
      assert.is(readDirect(new Reader(foreign, 3), FIRST + 8, foreign.length), null)
      assert.equal(decoded(foreign, 3), [sample], `EPAXOS_SEED=${seed}`)
    }
  }
})

test('each changed byte is noticed, and the record named', () => {
  const random = new Random(seed)
  const records = recordTypes.map(([, type]) => record(random, type, 3))
  const value = encodeRecords(records)
  for (let at = 0; at < value.length; at++) {
    const bad = value.slice()
    bad[at] = (bad[at] as number) ^ (1 << random.below(8))
    assert.throws(
      () => decoded(bad, 3),
      (error: unknown) => error instanceof EpaxosError && error.code === 'damaged',
    )
  }
  const last = value.slice()
  last[last.length - 1] = (last[last.length - 1] as number) ^ 1
  assert.throws(() => decoded(last, 3), damagedAt(records.length - 1))
  assert.throws(() => decodeRecord(last, records.length - 1, members(3)), damagedAt(records.length - 1))
  assert.equal(decodeRecord(last, 0, members(3)), records[0])
})

test('a value that was cut anywhere is damaged', () => {
  const random = new Random(seed)
  const value = encodeRecords(recordTypes.map(([, type]) => record(random, type, 3)))
  for (let length = 0; length < value.length; length++) {
    assert.throws(
      () => decoded(value.slice(0, length), 3),
      (error: unknown) => (error as EpaxosError).code === 'damaged',
    )
  }
  const longer = new Uint8Array(value.length + 4)
  longer.set(value)
  assert.throws(() => decoded(longer, 3), damagedAt(recordTypes.length))
})

test('a record that was not asked for, another version and another file are refused', () => {
  const value = encodeRecords([])
  assert.equal(decoded(value, 3), [])
  assert.throws(() => decodeRecord(value, 0, members(3)), damagedAt(0))
  const newer = value.slice()
  newer[4] = FORMAT_VERSION + 1
  assert.throws(
    () => decoded(newer, 3),
    new RegExp(`format version ${FORMAT_VERSION + 1} instead of ${FORMAT_VERSION}`),
  )
  assert.throws(() => decoded(new TextEncoder().encode('something else'), 3), damagedAt(0))
})

test('a well-formed record that breaks a rule is damaged, in either layout', () => {
  const random = new Random(seed)
  const bad: JournalRecord[] = [
    { ...record(random, RecordType.pre, 3), row: 3 } as JournalRecord,
    { ...record(random, RecordType.pre, 3), slot: 0 } as JournalRecord,
    { ...record(random, RecordType.pre, 3), mode: 1 } as unknown as JournalRecord,
    { ...record(random, RecordType.pre, 3), deps: [1, 2] } as JournalRecord,
    { ...record(random, RecordType.acc, 3), command: 0 } as JournalRecord,
    { ...record(random, RecordType.acc, 3), command: 2, batch: batch(random) } as JournalRecord,
    { ...record(random, RecordType.com, 3), ballot: 2 ** 53 } as JournalRecord,
    {
      ...record(random, RecordType.com, 3),
      batch: { ...batch(random), footprint: new Uint32Array(2) },
      command: 1,
    } as JournalRecord,
    { ...record(random, RecordType.bal, 3), row: 3 } as JournalRecord,
    { ...record(random, RecordType.val, 3), initDeps: [1, 2, 3, 4] } as JournalRecord,
  ]
  for (const each of bad) {
    assert.throws(() => decoded(encodeRecords([record(random, RecordType.bal, 3), each]), 3), damagedAt(1))
    const isHot = each.type === RecordType.pre || each.type === RecordType.acc || each.type === RecordType.com
    if (isHot) assert.throws(() => decoded(valueWith(buildHotRecord(each)), 3), damagedAt(0))
  }
})

test('the same records give the same bytes, whatever was written before', () => {
  const random = new Random(seed)
  const records = recordTypes.map(([, type]) => record(random, type, 3))
  const value = encodeRecords(records)
  const ones = { footprint: new Uint32Array(2001).fill(0xffffffff), commands: new Uint8Array(8000).fill(0xff) }
  encodeRecords([{ ...record(random, RecordType.pre, 3), batch: ones } as JournalRecord])
  assert.equal(encodeRecords(records), value, `EPAXOS_SEED=${seed}`)
})

test('large values are whole, and their bytes are the caller’s', () => {
  const random = new Random(seed)
  const large = { footprint: new Uint32Array([0]), commands: new Uint8Array(3_000_000).fill(7) }
  const records = Array.from({ length: 3 }, () => {
    return { ...record(random, RecordType.pre, 3), batch: large } as JournalRecord
  })
  const value = encodeRecords(records)
  const small = record(random, RecordType.com, 3)
  assert.equal(decoded(encodeRecords([small]), 3), [small])
  assert.equal(decoded(value, 3), records)
  const tooLarge = { ...large, commands: new Uint8Array(MAX_BATCH_BYTES + 1) }
  const bad = { ...record(random, RecordType.pre, 3), batch: tooLarge } as JournalRecord
  assert.throws(
    () => encodeRecords([small, bad]),
    (error: unknown) => (error as EpaxosError).code === 'too_large',
  )
  assert.equal(decoded(encodeRecords([small]), 3), [small])
})

test.run()
