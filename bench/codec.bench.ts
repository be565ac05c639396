import { Builder } from 'flatbuffers'
import { Bench } from 'tinybench'
import { decodeFromClient, encodeRequest } from '../src/codec/client.ts'
import { frame } from '../src/codec/frame.ts'
import { peerLayout } from '../src/codec/generated/peer/layout.ts'
import { decodeFrame, encodeMessage } from '../src/codec/peer.ts'
import { readGenerated } from '../src/codec/peer-generated.ts'
import { decodeRecords, encodeRecords } from '../src/codec/records.ts'
import { verify } from '../src/codec/verify.ts'
import { type AnyMessage, Command, MessageType } from '../src/protocol/messages.ts'
import { type JournalRecord, RecordType } from '../src/protocol/records.ts'
import { buildHotMessage, type HotMessage } from '../test/support/builders.ts'
import { members } from '../test/support/members.ts'

/**
 * ns per hot message: written and read directly, compared with a reused generated Builder and the generated accessors
 * behind the verifier; 32 messages per frame or journal value. Run: `node --import tsx bench/codec.bench.ts [ms per
 * case]`.
 */
const PER_FRAME = 32
const about = { epoch: 0, row: 1, slot: 123_456 }
const deps = [123_400, 123_455, 123_300]

function batchOf(commands: number) {
  const footprint = Uint32Array.from({ length: 1 + 2 * commands }, (_, i) => (i === 0 ? commands : i * 2654435761))
  return { footprint, commands: new Uint8Array(24 * commands).fill(7) }
}

const messages: Readonly<Record<string, HotMessage>> = {
  'PreAccept, 1 command': { type: MessageType.preAccept, ...about, mode: 0, initDeps: deps, batch: batchOf(1) },
  'PreAccept, 100 commands': { type: MessageType.preAccept, ...about, mode: 0, initDeps: deps, batch: batchOf(100) },
  PreAcceptOk: { type: MessageType.preAcceptOk, ...about, ok: true, deps },
  Accept: { type: MessageType.accept, ...about, ballot: 0, command: Command.batch, deps, batch: null },
  AcceptOk: { type: MessageType.acceptOk, ...about, ballot: 0 },
  Commit: { type: MessageType.commit, ...about, ballot: 0, command: Command.batch, deps, batch: null },
  Heartbeat: {
    ...{ type: MessageType.heartbeat, epoch: 0, sentMs: 1e6, echoMs: 1e6 },
    ...{ committed: deps, executed: deps, floor: deps, journal: 7e6, state: 0 },
  },
}

const records: Readonly<Record<string, JournalRecord>> = {
  'PRE, 1 command': { type: RecordType.pre, ...about, mode: 0, ok: true, initDeps: deps, deps, batch: batchOf(1) },
  'COM, bare': { type: RecordType.com, ...about, ballot: 0, command: Command.batch, deps, batch: null },
}

let sink = 0
const keep = (message: { readonly type: number }) => {
  sink += message.type
}
const times = (work: () => void) => () => {
  for (let i = 0; i < PER_FRAME; i++) work()
}
const repeated = <T>(item: T): T[] => new Array<T>(PER_FRAME).fill(item)

const bench = new Bench({ time: Number(process.argv[2] ?? 300), warmupTime: 100 })
for (const [name, message] of Object.entries(messages)) {
  const encoded = encodeMessage(message)
  const frames = frame(repeated(encoded))
  const builder = new Builder(16 << 10)
  const foreign = buildHotMessage(message).slice(4)
  const view = new DataView(foreign.buffer)
  const readBehindVerifier = (): AnyMessage => {
    verify(view, 0, foreign.length, peerLayout)
    return readGenerated(foreign, 3)
  }
  bench.add(
    `encode ${name}`,
    times(() => keep({ type: encodeMessage(message).length })),
  )
  bench.add(
    `encode ${name}, Builder`,
    times(() => keep({ type: buildHotMessage(message, builder).length })),
  )
  bench.add(`decode ${name}`, () => decodeFrame(frames, members(3), keep))
  bench.add(
    `decode ${name}, accessors`,
    times(() => keep(readBehindVerifier())),
  )
}
for (const [name, record] of Object.entries(records)) {
  const turn = repeated(record)
  const value = encodeRecords(turn)
  bench.add(`encode ${name}`, () => keep({ type: encodeRecords(turn).length }))
  bench.add(`decode ${name}`, () => decodeRecords(value, members(3), keep))
}
const group = new Uint8Array(24)
const requests = frame(repeated(encodeRequest(1, group)))
bench.add(
  'encode Request',
  times(() => keep({ type: encodeRequest(1, group).length })),
)
bench.add('decode Request', () => decodeFromClient(requests, keep))
bench.add('frame of 32 PreAcceptOk', () =>
  keep({ type: frame(repeated(encodeMessage(messages.PreAcceptOk as AnyMessage))).length }),
)

await bench.run()
for (const task of bench.tasks) {
  const { result } = task
  if (!('latency' in result)) throw new Error(`${task.name} did not finish`)
  console.log(`${task.name.padEnd(40)} ${((result.latency.p50 * 1e6) / PER_FRAME).toFixed(0).padStart(7)} ns`)
}
console.log(`(${sink > 0 ? 'done' : 'nothing ran'})`)
