import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { frame } from '../../src/codec/frame.ts'
import { peerLayout } from '../../src/codec/generated/peer/layout.ts'
import {
  MAX_BATCH_BYTES,
  MAX_CONFLICTS,
  MAX_FOOTPRINT_WORDS,
  MAX_PROBE_WORDS,
  MAX_PROBE_WRITERS,
} from '../../src/codec/limits.ts'
import { decodeFrame, encodeMessage } from '../../src/codec/peer.ts'
import { readDirect } from '../../src/codec/peer-direct.ts'
import { readGenerated } from '../../src/codec/peer-generated.ts'
import { Reader } from '../../src/codec/reader.ts'
import { verify } from '../../src/codec/verify.ts'
import { EpaxosError } from '../../src/errors.ts'
import {
  type AnyMessage,
  Command,
  MessageType,
  Phase,
  type PreAccept,
  type RecoverOk,
  type Writer,
} from '../../src/protocol/messages.ts'
import { buildHotMessage, isHot } from '../support/builders.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { batch, message, messageTypes, vector } from './samples.ts'

const test = suite('peer messages')
const seed = freshSeed()
const ROUNDS = 200

function decoded(bytes: Uint8Array, replicas: number): AnyMessage[] {
  const messages: AnyMessage[] = []
  decodeFrame(bytes, members(replicas), (each) => messages.push(each))
  return messages
}

/** The one message of a frame, through the verifier and the generated accessors. */
function generated(bytes: Uint8Array, replicas: number): AnyMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  verify(view, 4, bytes.length, peerLayout)
  return readGenerated(bytes.subarray(4), replicas)
}

const refused = (code: string) => (error: unknown) => error instanceof EpaxosError && error.code === code
const isMalformed = refused('malformed')

for (const [name, type] of messageTypes) {
  test(`a ${name} comes back as it was, for every number of replicas and at every alignment`, () => {
    const random = new Random(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const replicas = 1 + (round % 9)
      const sample = message(random, type, replicas)
      const encoded = encodeMessage(sample)
      const moved = Buffer.alloc(encoded.length + 3).subarray(round % 4, (round % 4) + encoded.length)
      moved.set(encoded)
      assert.equal(decoded(moved, replicas), [sample], `EPAXOS_SEED=${seed}, round ${round}`)
      assert.equal(generated(encoded, replicas), sample, `accessors: EPAXOS_SEED=${seed}, round ${round}`)
    }
    volume(`round trips ${name}`, ROUNDS)
  })
}

test('hot messages are read directly in the canonical layout, and all the same in the layout of a builder', () => {
  const random = new Random(seed)
  for (const [, type] of messageTypes) {
    for (let round = 0; round < 50; round++) {
      const sample = message(random, type, 5)
      if (!isHot(sample)) continue
      const canonical = encodeMessage(sample)
      assert.equal(readDirect(new Reader(canonical, 5), 4, canonical.length), sample, `EPAXOS_SEED=${seed}`)
      const foreign = buildHotMessage(sample).slice()
      assert.is(readDirect(new Reader(foreign, 5), 4, foreign.length), null)
      assert.equal(decoded(foreign, 5), [sample], `EPAXOS_SEED=${seed}`)
    }
  }
})

test('bytes after a hot message are another layout, and do no harm', () => {
  const sample = message(new Random(seed), MessageType.commit, 3)
  const encoded = encodeMessage(sample)
  const longer = new Uint8Array(encoded.length + 8)
  longer.set(encoded)
  new DataView(longer.buffer).setUint32(0, longer.length - 4, true)
  assert.is(readDirect(new Reader(longer, 3), 4, longer.length), null)
  assert.equal(decoded(longer, 3), [sample], `EPAXOS_SEED=${seed}`)
})

test('a frame holds messages of all types, and the first bad one ends it', () => {
  const random = new Random(seed)
  const samples = messageTypes.map(([, type]) => message(random, type, 3))
  const parts = samples.map(encodeMessage)
  assert.equal(decoded(frame(parts), 3), samples)
  assert.equal(decoded(new Uint8Array(0), 3), [])

  const bytes = frame([...parts, (parts[0] as Uint8Array).subarray(0, 12), ...parts])
  const before: AnyMessage[] = []
  assert.throws(() => decodeFrame(bytes, members(3), (each) => before.push(each)), isMalformed)
  assert.equal(before, samples)
})

test('a decoded batch is a copy that outlives the frame', () => {
  const random = new Random(seed)
  for (const bytes of [new Uint8Array(1 << 12), Buffer.alloc(1 << 12)]) {
    const sample = message(random, MessageType.preAccept, 3) as PreAccept
    const encoded = encodeMessage(sample)
    bytes.set(encoded)
    const [read] = decoded(bytes.subarray(0, encoded.length), 3)
    bytes.fill(0xff)
    assert.equal(read, sample)
  }
})

test('encoded messages stay as they are while others are encoded', () => {
  const random = new Random(seed)
  const samples = Array.from({ length: 3000 }, () => message(random, random.pick(messageTypes)[1], 3))
  const parts = samples.map(encodeMessage)
  for (const [i, part] of parts.entries()) assert.equal(decoded(part, 3), [samples[i]], `EPAXOS_SEED=${seed}`)
})

test('a large batch between small messages is encoded and read', () => {
  const random = new Random(seed)
  const footprint = new Uint32Array(1 + 2 * 100_000)
  footprint[0] = 100_000
  const large = {
    ...message(random, MessageType.preAccept, 3),
    batch: { footprint, commands: new Uint8Array(5_000_001) },
  }
  const samples = [
    message(random, MessageType.accept, 3),
    large as AnyMessage,
    message(random, MessageType.acceptOk, 3),
  ]
  for (const shift of [0, 1]) {
    const bytes = frame(samples.map(encodeMessage))
    const moved = new Uint8Array(bytes.length + shift).subarray(shift)
    moved.set(bytes)
    assert.equal(decoded(moved, 3), samples)
  }
})

test('what is beyond a limit is not encoded, and the next message is whole again', () => {
  const random = new Random(seed)
  const good = message(random, MessageType.commit, 3)
  const footprint = new Uint32Array([0])
  const batches = [
    { footprint, commands: new Uint8Array(MAX_BATCH_BYTES + 1) },
    { footprint: new Uint32Array(MAX_FOOTPRINT_WORDS + 2), commands: new Uint8Array(0) },
  ]
  for (const tooLarge of batches) {
    for (const type of [MessageType.preAccept, MessageType.validate]) {
      const bad = { ...message(random, type, 3), batch: tooLarge } as AnyMessage
      assert.throws(() => encodeMessage(bad), refused('too_large'))
      assert.equal(decoded(encodeMessage(good), 3), [good])
    }
  }
  const conflicts = new Array(MAX_CONFLICTS + 1).fill({ row: 0, slot: 1, phase: Phase.none })
  const validateOk = { ...message(random, MessageType.validateOk, 3), conflicts } as AnyMessage
  assert.throws(() => encodeMessage(validateOk), refused('too_large'))
  const keys = new Uint32Array(MAX_PROBE_WORDS + 2)
  assert.throws(
    () => encodeMessage({ ...message(random, MessageType.probe, 3), keys } as AnyMessage),
    refused('too_large'),
  )
  const writers = new Array(MAX_PROBE_WRITERS + 1).fill({ key: 0, row: 0, slot: 1 })
  const probeOk = { ...message(random, MessageType.probeOk, 3), writers } as AnyMessage
  assert.throws(() => encodeMessage(probeOk), refused('too_large'))
  const deps = new Array<number>(17).fill(0)
  assert.throws(
    () => encodeMessage({ ...message(random, MessageType.preAcceptOk, 3), deps } as AnyMessage),
    refused('too_large'),
  )
})

/** What each rule forbids, as a message that breaks it: none of them is accepted, in either layout. */
const forbidden: readonly (readonly [string, (random: Random) => AnyMessage])[] = [
  ['a row that does not exist', (r) => ({ ...message(r, MessageType.acceptOk, 3), row: 3 }) as AnyMessage],
  ['slot 0', (r) => ({ ...message(r, MessageType.preAcceptOk, 3), slot: 0 }) as AnyMessage],
  ['a slot of 2^53', (r) => ({ ...message(r, MessageType.commit, 3), slot: 2 ** 53 }) as AnyMessage],
  ['a ballot of 2^53', (r) => ({ ...message(r, MessageType.acceptOk, 3), ballot: 2 ** 53 }) as AnyMessage],
  ['too few dependencies', (r) => ({ ...message(r, MessageType.preAccept, 3), initDeps: vector(r, 2) }) as AnyMessage],
  ['too many dependencies', (r) => ({ ...message(r, MessageType.accept, 3), deps: vector(r, 4) }) as AnyMessage],
  [
    'a dependency of 2^53',
    (r) => ({ ...message(r, MessageType.heartbeat, 3), executed: [0, 0, 2 ** 53] }) as AnyMessage,
  ],
  ['an unknown mode', (r) => ({ ...message(r, MessageType.preAccept, 3), mode: 1 }) as unknown as AnyMessage],
  ['a decision on an unknown command', (r) => ({ ...message(r, MessageType.commit, 3), command: 0 }) as AnyMessage],
  [
    'a command that does not exist',
    (r) => ({ ...message(r, MessageType.accept, 3), command: 3 }) as unknown as AnyMessage,
  ],
  [
    'a no-op with a batch',
    (r) => ({ ...message(r, MessageType.accept, 3), command: 2, batch: batch(r) }) as AnyMessage,
  ],
  ['a footprint of half a key', (r) => withFootprint(r, [1, 5])],
  ['an empty footprint', (r) => withFootprint(r, [])],
  ['more writes than keys', (r) => withFootprint(r, [2, 5, 5])],
  ['a phase that does not exist', (r) => ({ ...recoverOk(r), phase: 4 }) as unknown as AnyMessage],
  ['accepted without a command', (r) => ({ ...recoverOk(r), phase: 2, command: 0 }) as AnyMessage],
  ['pre-accepted without dependencies', (r) => ({ ...recoverOk(r), deps: null }) as AnyMessage],
  ['pre-accepted without initial dependencies', (r) => ({ ...recoverOk(r), initDeps: null }) as AnyMessage],
  ['pre-accepted without a batch', (r) => ({ ...recoverOk(r), batch: null }) as AnyMessage],
  ['a conflict in a row that does not exist', (r) => withConflict(r, { row: 3, slot: 1, phase: 1 })],
  ['a conflict with slot 0', (r) => withConflict(r, { row: 0, slot: 0, phase: 1 })],
  ['a conflict of no known phase', (r) => withConflict(r, { row: 0, slot: 1, phase: 4 as Phase })],
  ['more waiting than replicas', (r) => ({ ...message(r, MessageType.waiting, 3), count: 4 }) as AnyMessage],
  ['an Ask for nothing', (r) => ({ ...message(r, MessageType.ask, 3), count: 0 }) as AnyMessage],
  ['an Ask for too much', (r) => ({ ...message(r, MessageType.ask, 3), count: 2 ** 20 }) as AnyMessage],
  ['an ask for no chunks', (r) => ({ ...message(r, MessageType.checkpointAsk, 3), count: 0 }) as AnyMessage],
  ['an ask for too many chunks', (r) => ({ ...message(r, MessageType.checkpointAsk, 3), count: 65 }) as AnyMessage],
  ['a run of no slots', (r) => withRun(r, { row: 0, first: 3, count: 0 })],
  ['a run from slot 0', (r) => withRun(r, { row: 0, first: 0, count: 2 })],
  ['a run of a row that does not exist', (r) => withRun(r, { row: 3, first: 3, count: 2 })],
  ['a run beyond 2^53', (r) => withRun(r, { row: 0, first: 2 ** 53 - 2, count: 2 })],
  ['half a key', (r) => ({ ...message(r, MessageType.probe, 3), keys: Uint32Array.of(1) }) as AnyMessage],
  ['a writer in a row that does not exist', (r) => withWriter(r, { key: 0, row: 3, slot: 1 })],
  ['a writer with slot 0', (r) => withWriter(r, { key: 0, row: 0, slot: 0 })],
  ['an Ask beyond 2^53', (r) => ({ ...message(r, MessageType.ask, 3), slot: 2 ** 53 - 1 }) as AnyMessage],
]

function withRun(random: Random, run: { row: number; first: number; count: number }): AnyMessage {
  const executed = { prefix: vector(random, 3), runs: [run] }
  return { ...message(random, MessageType.checkpointAsk, 3), executed } as AnyMessage
}

function withFootprint(random: Random, words: number[]): AnyMessage {
  return {
    ...message(random, MessageType.preAccept, 3),
    batch: { ...batch(random), footprint: Uint32Array.from(words) },
  } as AnyMessage
}

function withConflict(random: Random, conflict: { row: number; slot: number; phase: Phase }): AnyMessage {
  return { ...message(random, MessageType.validateOk, 3), conflicts: [conflict] } as AnyMessage
}

function withWriter(random: Random, writer: Writer): AnyMessage {
  return { ...message(random, MessageType.probeOk, 3), writers: [writer] } as AnyMessage
}

/** A pre-accepted one. */
function recoverOk(random: Random): RecoverOk {
  for (;;) {
    const sample = message(random, MessageType.recoverOk, 3) as RecoverOk
    if (sample.phase === Phase.preAccepted && sample.command === Command.batch) return sample
  }
}

for (const [what, make] of forbidden) {
  test(`refused: ${what} (scenario 18)`, () => {
    const random = new Random(seed)
    for (let round = 0; round < 20; round++) {
      const bad = make(random)
      assert.throws(() => decoded(encodeMessage(bad), 3), isMalformed, `EPAXOS_SEED=${seed}`)
      if (isHot(bad)) assert.throws(() => decoded(buildHotMessage(bad), 3), isMalformed, `EPAXOS_SEED=${seed}`)
    }
  })
}

test.run()
