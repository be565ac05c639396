import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Core } from '../../src/protocol/core.ts'
import { MAX_PROBE_KEYS, type Message, MessageType, type Probe, type ProbeOk } from '../../src/protocol/messages.ts'
import { quorums } from '../../src/protocol/quorums.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import type { Sent } from '../support/cluster.ts'
import { type EngineMaker, engineMakers, wasmEngine } from '../support/engine-makers.ts'
import { members } from '../support/members.ts'
import { Story } from './story.ts'

const test = suite('quorum reads')
const { preAccept, probe, probeOk } = MessageType

function each(title: string, body: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => body(maker))
}

/** The answers of these replicas to the reader's probes. */
function answer(story: Story, reader: number, ...from: number[]): void {
  for (const id of from) {
    story.deliver({ type: probe, from: reader, to: id })
    story.deliver({ type: probeOk, from: id, to: reader })
  }
}

/** The first message that is in flight there. */
function messageTo<M extends Message>(story: Story, filter: Parameters<Story['deliver']>[0]): M {
  const [sent] = story.cluster.find(filter)
  assert.ok(sent)
  return (sent as Sent).message as M
}

each('a read of a key that nobody writes takes one round trip; nothing is journaled, no instance is made', (maker) => {
  for (let replicas = 1; replicas <= 9; replicas++) {
    const story = new Story(replicas, maker)
    const [read] = story.at(0).read('a')
    const needed = quorums(replicas).slow - 1
    for (let id = 1; id <= needed; id++) {
      assert.is(read?.done, false, `${id - 1} answers of ${replicas}`)
      answer(story, 0, id)
    }
    assert.is(read?.done, true)
    for (const { journal, core } of story.cluster.replicas) {
      assert.equal(journal, [])
      assert.is(core.slot, 0)
    }
  }
})

each('a read waits for a write that only another replica knows, and asks for it', (maker) => {
  const story = new Story(3, maker)
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.lose()
  const [read] = story.at(0).read('a')
  answer(story, 0, 2)
  assert.is(read?.done, false)
  assert.is(story.at(0).core.counts.readsBlocked, 1)
  story.settle()
  assert.is(read?.done, true)
  assert.equal(story.at(0).executed, ['1.1'])
})

each('one slow answer is enough to see what was answered, whoever answers', (maker) => {
  for (const other of [1, 2]) {
    const story = new Story(3, maker)
    story.propose(1, 'a')
    story.preAccept(1, [2])
    story.preAcceptOk(1, [2])
    assert.equal(story.at(1).executed, ['1.1'], 'the write is answered')
    story.lose()
    const [read] = story.at(0).read('a')
    answer(story, 0, other)
    assert.is(read?.done, false, `answered by ${other}`)
    story.settle()
    assert.is(read?.done, true)
  }
})

each('an unknown payload is waited for, although the highest slot became a no-op', (maker) => {
  const story = new Story(3, maker)
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.preAcceptOk(1, [2])
  assert.equal(story.at(1).executed, ['1.1'])
  story.lose()
  // Nobody but replica 1 and 2 hears of 1.2, and replica 0 learns of it as a no-op only.
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.lose()
  const noop = { type: MessageType.commit, epoch: 0, row: 1, slot: 2, ballot: 0, command: 2, batch: null } as const
  story.at(0).core.receive(2, { ...noop, deps: [0, 0, 0] })
  const [read] = story.at(0).read('a')
  answer(story, 0, 2)
  assert.is(read?.done, false, '1.1 is the write that the read must see')
  const commit = { type: MessageType.commit, epoch: 0, row: 1, slot: 1, ballot: 0, command: 1 } as const
  story.at(0).receive(1, { ...commit, deps: [0, 0, 0], batch: batch('1.1', 'a') })
  assert.is(read?.done, true)
})

each('what does not write the key is not waited for: other keys, reads, and what has become a no-op', (maker) => {
  const story = new Story(3, maker)
  story.propose(1, 'b')
  story.propose(1, '?a')
  story.propose(1, 'a')
  for (const id of [0, 2]) story.deliver({ type: preAccept, to: id })
  story.lose()
  const [ofA, ofB] = story.at(0).read('a', 'b')
  const [ofC] = story.at(0).read('c')
  answer(story, 0, 2)
  assert.is(ofA?.done, false)
  assert.is(ofB?.done, false)
  assert.is(ofC?.done, true)
  const noop = { type: MessageType.commit, epoch: 0, row: 1, slot: 3, ballot: 4, command: 2, batch: null } as const
  story.at(0).receive(2, { ...noop, deps: [0, 0, 0] })
  assert.is(ofA?.done, true, 'its only writer is a no-op')
  assert.is(ofB?.done, false, 'each read waits for its own key only')
})

each('a PreAccept that brings another key lets a read go on that waited for the unknown slot', (maker) => {
  const story = new Story(3, maker)
  story.propose(1, 'b')
  story.propose(1, 'a')
  story.deliver({ type: preAccept, to: 2 })
  const [read] = story.at(0).read('a')
  answer(story, 0, 2)
  const noop = { type: MessageType.commit, epoch: 0, row: 1, slot: 2, ballot: 4, command: 2, batch: null } as const
  story.at(0).receive(2, { ...noop, deps: [0, 0, 0] })
  assert.is(read?.done, false, '1.1 may write the key')
  story.deliver({ type: preAccept, to: 0 })
  assert.is(read?.done, true)
})

each('an instance counts in every phase: validated only, a no-op that was a write, and "everything"', (maker) => {
  const story = new Story(3, maker)
  const about = { epoch: 0, row: 1, slot: 1 }
  story.at(2).receive(0, { type: MessageType.recover, ...about, ballot: 4 })
  story.at(2).receive(0, { type: MessageType.validate, ...about, ballot: 4, deps: [0, 0, 0], batch: batch('w', 'a') })
  story.at(2).receive(1, {
    ...{ type: MessageType.preAccept, epoch: 0, row: 1, slot: 2, mode: 0 },
    ...{ initDeps: [0, 1, 0], batch: batch('x', '*') },
  })
  story.lose()
  const writersOf = (key: string): unknown => {
    story.at(0).read(key)
    story.deliver({ type: probe, from: 0, to: 2 })
    const { writers } = messageTo<ProbeOk>(story, { type: probeOk, from: 2, to: 0 })
    story.lose()
    return writers
  }
  assert.equal(writersOf('b'), [{ key: 0, row: 1, slot: 2 }])
  const noop = { type: MessageType.commit, ...about, ballot: 4, command: 2, deps: [0, 0, 0], batch: null } as const
  story.at(2).receive(0, noop)
  assert.equal(writersOf('a'), [{ key: 0, row: 1, slot: 2 }])
  const other = new Story(3, maker)
  other.propose(1, 'a')
  other.preAccept(1, [2])
  other.at(2).receive(0, noop)
  other.lose()
  const [read] = other.at(0).read('a')
  answer(other, 0, 2)
  assert.is(read?.done, false, 'a no-op of which the reader has not heard')
})

each('answers to an earlier probe are not used for a later read', (maker) => {
  const story = new Story(3, maker)
  const [early] = story.at(0).read('a')
  story.deliver({ type: probe, from: 0 })
  story.deliver({ type: probeOk, from: 1, to: 0 }, true)
  assert.is(early?.done, true)
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.preAcceptOk(1, [2])
  assert.equal(story.at(1).executed, ['1.1'])
  const [late] = story.at(0).read('a')
  // Both answers to the first probe arrive now, one for the second time.
  story.deliver({ type: probeOk, to: 0 })
  assert.is(late?.done, false)
  answer(story, 0, 1)
  assert.is(late?.done, false, 'it has not executed 1.1')
  story.settle()
  assert.is(late?.done, true)
})

each('nor are answers to a probe of before a restart', (maker) => {
  const story = new Story(3, maker)
  story.at(0).read('a')
  story.deliver({ type: probe, from: 0 })
  story.restart(0)
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.preAcceptOk(1, [2])
  const [read] = story.at(0).read('a')
  assert.is(messageTo<ProbeOk>(story, { type: probeOk, from: 2, to: 0 }).number, 1)
  assert.is(messageTo<Probe>(story, { type: probe, from: 0, to: 2 }).number, 1, 'numbers count anew')
  story.deliver({ type: probeOk, to: 0 })
  assert.is(read?.done, false)
  story.settle()
  assert.is(read?.done, true)
})

each('one replica that answers twice is one answer', (maker) => {
  const story = new Story(5, maker)
  const [read] = story.at(0).read('a')
  story.deliver({ type: probe, from: 0, to: 1 }, true)
  story.deliver({ type: probe, from: 0, to: 1 })
  story.deliver({ type: probeOk, to: 0 })
  assert.is(read?.done, false)
  answer(story, 0, 2)
  assert.is(read?.done, true)
})

test('a read of everything waits for all that anybody knows', () => {
  const story = new Story(3, wasmEngine)
  story.propose(1, 'a')
  story.propose(1, '?b')
  story.deliver({ type: preAccept, to: 2 })
  story.lose()
  const read = story.at(0).readAll()
  answer(story, 0, 2)
  assert.is(read.done, false)
  story.settle()
  assert.is(read.done, true)
  assert.equal(story.at(0).executed, ['1.1', '1.2'])
})

test('a read up to a vector asks nobody and waits for the writes up to there', () => {
  const story = new Story(3, wasmEngine)
  story.propose(1, 'a')
  story.propose(1, 'b')
  story.deliver({ type: preAccept, to: 2 })
  story.deliver({ type: MessageType.preAcceptOk })
  story.deliver({ type: MessageType.commit, to: 2 })
  assert.equal(story.at(1).executed, ['1.1', '1.2'])
  const [before] = [story.at(0).readUpTo('a', [0, 0, 0])]
  assert.is(before.done, true)
  const ofA = story.at(0).readUpTo('a', [0, 2, 0])
  const ofC = story.at(0).readUpTo('c', [0, 2, 0])
  assert.equal(story.cluster.find({ type: probe }), [])
  assert.is(ofA.done, false)
  assert.is(ofC.done, false, 'nothing is known of the payloads')
  assert.is(story.at(0).core.instance(1, 1), undefined, 'what a client claims is not asked for')
  story.settle()
  assert.is(ofA.done && ofC.done, true)
})

test('what a member has dropped counts as written: the reader waits for it', () => {
  const story = new Story(3, wasmEngine)
  const [read] = story.at(0).read('a')
  const sent = messageTo<Probe>(story, { type: probe, from: 0, to: 2 })
  const { start, number } = sent
  story.at(0).receive(2, { type: probeOk, epoch: 0, start, number, floor: [0, 0, 1], writers: [] })
  assert.is(read?.done, false)
  const commit = { type: MessageType.commit, epoch: 0, row: 2, slot: 1, ballot: 0, command: 1 } as const
  story.at(0).receive(2, { ...commit, deps: [0, 0, 0], batch: batch('2.1', 'a') })
  assert.is(read?.done, true)
})

test('a probe that is lost is sent again to those that have not answered, at an interval or with a new link', () => {
  const story = new Story(5, wasmEngine)
  const { cluster } = story
  const [read] = story.at(0).read('a')
  answer(story, 0, 1)
  story.lose()
  const resent = (): number[] => cluster.find({ type: probe, from: 0 }).map(({ to }) => to)
  cluster.nowMs += 1
  story.at(0).core.linkUp(3)
  story.at(0).tick()
  assert.equal(resent(), [3, 2, 3, 4])
  story.lose()
  story.at(0).core.linksBehind(1 << 4)
  cluster.nowMs += 1
  story.at(0).tick()
  assert.equal(resent(), [2, 3])
  answer(story, 0, 2)
  assert.is(read?.done, true)
  story.lose()
  cluster.nowMs += 1
  story.at(0).tick()
  assert.equal(resent(), [])
})

test('a read that nobody wants any more is forgotten', () => {
  const story = new Story(3, wasmEngine)
  const [alone] = story.at(0).read('a')
  const [waits] = story.at(0).read('b')
  story.propose(1, 'b')
  story.preAccept(1, [2])
  for (const { to, message } of story.cluster.find({ type: probe, to: 2 })) {
    if ((message as Probe).number === 2) story.cluster.deliver({ from: 0, to, message })
  }
  story.deliver({ type: probeOk, to: 0 })
  story.lose()
  for (const read of [alone, waits]) if (read !== undefined) read.wanted = false
  story.cluster.nowMs += 1
  story.at(0).tick()
  assert.equal(story.cluster.find({ type: probe, from: 0 }), [])
  story.settle()
  assert.is(alone?.done, false)
  assert.is(waits?.done, false)
})

test('more keys than a probe holds go in several', () => {
  const story = new Story(3, wasmEngine)
  const keys = Array.from({ length: MAX_PROBE_KEYS + 1 }, (_, i) => `${i}`)
  const reads = story.at(0).read(...keys)
  const sent = story.cluster.find({ type: probe, to: 1 }).map(({ message }) => (message as Probe).keys.length)
  assert.equal(sent, [2 * MAX_PROBE_KEYS, 2])
  answer(story, 0, 1)
  assert.ok(reads.every(({ done }) => done))
})

test('a flood of probes is not answered beyond an allowance', () => {
  const story = new Story(3, wasmEngine)
  const { core } = story.at(1)
  const keys = new Uint32Array(2 * MAX_PROBE_KEYS)
  for (let number = 1; number <= 100; number++) {
    story.at(1).receive(0, { type: probe, epoch: 0, start: 1, number, keys, executed: [0, 0, 0] })
  }
  const { length } = story.cluster.find({ type: probeOk, from: 1 })
  assert.ok(length >= 4 && length <= 10, `${length} answers`)
  assert.is(core.counts.deferred, 100 - length)
})

test('a replica answers no probe before the founding, and begins no read', () => {
  const core = new Core({
    ...{ id: 1, members: members(3), engine: wasmEngine.make(3), timing: DEFAULT_TIMING },
    ...{ random: () => 0.5, start: 1, readBatch: null },
  })
  const message: Probe = { type: probe, epoch: 0, start: 1, number: 1, keys: Uint32Array.of(1, 2), executed: [0, 0, 0] }
  assert.throws(() => core.receive(0, message), /before the journal is replayed/)
  assert.throws(() => core.read([]), /before the journal is replayed/)
  core.start(0, 1000)
  core.receive(0, message)
  assert.equal(core.take().messages, [])
  assert.throws(() => core.read([]), /before the founding/)
  core.found()
  core.receive(0, message)
  assert.is(core.take().messages.filter(({ message }) => message.type === probeOk).length, 1)
})

test('a replica whose disk hangs is silent, and its reads are answered later', () => {
  const story = new Story(3, wasmEngine, { autoSync: false })
  const { cluster } = story
  story.propose(0, 'x')
  story.at(0).sync()
  story.lose()
  story.propose(0, 'y')
  const replica = story.at(0)
  for (let i = 0; i < 3; i++) {
    cluster.nowMs += 9e8
    replica.tick()
  }
  story.lose()
  assert.is(replica.core.isDiskHung, true)
  replica.receive(1, { type: probe, epoch: 0, start: 1, number: 1, keys: Uint32Array.of(1, 2), executed: [0, 0, 0] })
  const [read] = replica.read('a')
  assert.equal(cluster.find({ from: 0 }), [])
  replica.sync()
  cluster.nowMs += 1
  replica.tick()
  answer(story, 0, 1)
  assert.is(read?.done, true)
})

test('an answer out of its range is dropped, counted, and changes nothing', () => {
  const story = new Story(3, wasmEngine)
  const [read] = story.at(0).read('a')
  const sent = messageTo<Probe>(story, { type: probe, from: 0, to: 2 })
  const { start, number } = sent
  const valid: ProbeOk = { type: probeOk, epoch: 0, start, number, floor: [0, 0, 0], writers: [] }
  const wrong: Partial<ProbeOk>[] = [
    { epoch: 1 },
    { floor: [0, 0, 2 ** 30] },
    { writers: [{ key: 0, row: 1, slot: 2 ** 30 }] },
    { writers: [{ key: 1, row: 1, slot: 1 }] },
    { writers: Array.from({ length: 2 ** 17 }, () => ({ key: 0, row: 1, slot: 1 })) },
  ]
  const { core } = story.at(0)
  for (const [i, change] of wrong.entries()) {
    story.at(0).receive(2, { ...valid, ...change })
    assert.is(core.counts.dropped, i + 1, `answer ${i}`)
  }
  assert.is(read?.done, false)
  assert.equal(core.committed, [0, 0, 0])
  story.at(0).receive(2, { ...valid, number: number + 1, writers: [{ key: 7, row: 1, slot: 1 }] })
  story.at(0).receive(2, { ...valid, start: start + 1 })
  assert.is(core.counts.dropped, wrong.length, 'an answer that comes too late is no fault')
  assert.is(read?.done, false)
  story.at(0).receive(2, valid)
  assert.is(read?.done, true)
  story.at(1).receive(0, { ...sent, epoch: 1 })
  assert.is(story.at(1).core.counts.dropped, 1)
})

test.run()
