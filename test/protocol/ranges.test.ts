import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_BALLOT, MAX_BALLOT_JUMP } from '../../src/protocol/ballots.ts'
import {
  type Batch,
  Command,
  type Message,
  type MessageType as MessageKind,
  MessageType,
  Mode,
  Phase,
} from '../../src/protocol/messages.ts'
import { MAX_OWN_SLOTS_AHEAD, MAX_SLOTS_AHEAD } from '../../src/protocol/reach.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { wasmEngine } from '../support/engine-makers.ts'
import type { TestReplica } from '../support/test-replica.ts'
import { Story } from './story.ts'

/** The receiver is replica 1 of three: its ballots are 2, 5, 8; those of replica 2 are 3, 6, 9. */
const test = suite('ranges')

const HUGE = [2 ** 17, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 52, 2 ** 53 - 1]
const BATCH: Batch = batch('x', 'a')

type Fields = Record<string, unknown>

/** A message that is in range, whose sender is 2 and whose instance is 2.1, or the receiver's own 1.1. */
const VALID: { readonly [name: string]: Fields } = {
  preAccept: { row: 2, slot: 1, mode: Mode.all, initDeps: [0, 0, 0], batch: BATCH },
  preAcceptOk: { row: 1, slot: 1, ok: true, deps: [0, 0, 0] },
  accept: { row: 0, slot: 1, ballot: 3, command: Command.batch, deps: [0, 0, 0], batch: BATCH },
  acceptOk: { row: 0, slot: 1, ballot: 5 },
  commit: { row: 0, slot: 1, ballot: 3, command: Command.batch, deps: [0, 0, 0], batch: BATCH },
  recover: { row: 0, slot: 1, ballot: 3 },
  recoverOk: {
    row: 0,
    slot: 1,
    ballot: 5,
    voteBallot: 3,
    phase: Phase.accepted,
    command: Command.batch,
    mode: Mode.all,
    ok: true,
    initDeps: null,
    deps: [0, 0, 0],
    batch: BATCH,
  },
  validate: { row: 0, slot: 1, ballot: 3, deps: [0, 0, 0], batch: BATCH },
  validateOk: { row: 0, slot: 1, ballot: 5, conflicts: [] },
  waiting: { row: 0, slot: 1, count: 1 },
  nack: { row: 0, slot: 1, ballot: 3 },
  tryRecover: { row: 0, slot: 1 },
  heartbeat: { sentMs: 1, echoMs: 1, committed: [1, 1, 1], executed: [1, 1, 1], floor: [0, 0, 0] },
}

function messageOf(name: string, changes: Fields = {}): Message {
  const type: MessageKind = MessageType[name as keyof typeof MessageType]
  return { type, epoch: 0, ...VALID[name], ...changes } as unknown as Message
}

/** Each far number, in the entry of each row. */
function* farVectors(own: number): Generator<number[]> {
  for (const far of HUGE)
    for (let r = 0; r < 3; r++) yield [0, 0, 0].map((last, i) => (i === r ? far : i === own ? 0 : last))
}

/** What is out of range, one change each. */
function* wrongs(name: string): Generator<readonly [string, Message, number]> {
  const valid = VALID[name] as Fields
  const change = (changes: Fields, from = 2) =>
    [`${name} ${JSON.stringify(changes)} from ${from}`, messageOf(name, changes), from] as const
  yield change({ epoch: 1 })
  yield change({ epoch: 2 ** 32 - 1 })
  if (name === 'heartbeat') {
    for (const far of HUGE) yield change({ executed: [0, far, 0] })
    // Beyond what has executed there, and beyond what is committed here.
    for (const far of [1, ...HUGE]) yield change({ executed: [0, 0, 0], floor: [0, far, 0] })
    for (const far of [1, ...HUGE]) yield change({ committed: [0, far, 0], executed: [0, far, 0], floor: [0, far, 0] })
    return
  }
  for (const slot of HUGE) yield change({ slot, ...withEntry(valid, slot) })
  for (const field of ['initDeps', 'deps']) {
    if (!Array.isArray(valid[field])) continue
    for (const vector of farVectors(valid.row as number)) yield change({ [field]: vector })
    yield change({ slot: 3, [field]: [0, 0, 0].map((_, r) => (r === valid.row ? 1 : 0)) })
    if ('command' in valid) yield change({ command: Command.noop, batch: null, [field]: [0, 0, 1] })
  }
  if (!('ballot' in valid)) return
  for (const ballot of [MAX_BALLOT + 1, 2 ** 53 - 3]) {
    for (let k = 0; k < 3; k++) yield change({ ballot: ballot + k, voteBallot: 0 })
  }
  if (name === 'nack' || name === 'commit') return
  yield change({ ballot: 4 })
  if (name !== 'accept' && name !== 'acceptOk') yield change({ ballot: 0 })
}

/** The own entry of the vectors follows the slot, so that nothing but the slot is wrong. */
function withEntry(valid: Fields, slot: number): Fields {
  const changes: Fields = {}
  for (const field of ['initDeps', 'deps']) {
    const vector = valid[field]
    if (Array.isArray(vector)) changes[field] = vector.map((last, r) => (r === valid.row ? slot - 1 : last))
  }
  return changes
}

/** One field of its own each. */
const OTHERS: readonly (readonly [string, Fields, number])[] = [
  ['preAccept', {}, 0],
  ['preAcceptOk', { row: 0 }, 2],
  ['preAcceptOk', { ok: false }, 2],
  ['accept', {}, 0],
  ['recover', {}, 0],
  ['validate', {}, 0],
  ['recoverOk', { voteBallot: 5 }, 2],
  ['recoverOk', { voteBallot: 2 ** 53 - 1 }, 2],
  ['recoverOk', { phase: Phase.preAccepted, initDeps: [0, 0, 0] }, 2],
  ['recoverOk', { phase: Phase.committed }, 2],
  ['recoverOk', { batch: null }, 2],
  ['recoverOk', { ok: false }, 2],
  ['recoverOk', { initDeps: [1, 0, 0] }, 2],
  ['validateOk', { conflicts: [{ row: 0, slot: 1, phase: Phase.none }] }, 2],
  ...HUGE.map((slot) => ['validateOk', { conflicts: [{ row: 2, slot, phase: Phase.none }] }, 2] as const),
  ['waiting', { count: 0 }, 2],
  ['waiting', { count: 4 }, 2],
]

/** Two others that are up, and nothing known. */
function receiver(): TestReplica {
  return new Story(3, wasmEngine).at(1)
}

test('a message with any field out of its range is dropped, counted, and changes nothing', () => {
  const replica = receiver()
  let count = 0
  const drop = (what: string, message: Message, from: number): void => {
    replica.receive(from, message)
    count++
    assert.is(replica.core.counts.dropped, count, what)
  }
  for (const name of Object.keys(VALID)) for (const [what, message, from] of wrongs(name)) drop(what, message, from)
  for (const [name, changes, from] of OTHERS) drop(`${name} ${JSON.stringify(changes)}`, messageOf(name, changes), from)
  const { epoch, slot, field, heartbeat } = replica.core.counts.drops
  for (const reason of [epoch, slot, field, heartbeat]) assert.ok(reason > 0)
  assert.equal(replica.journal, [])
  assert.equal(replica.cluster.find({ from: 1 }), [])
  assert.is(replica.core.slot, 0)
  assert.ok(count > 300, `${count} messages`)
})

test('what is in range is taken', () => {
  for (const name of Object.keys(VALID)) {
    const replica = receiver()
    replica.receive(2, messageOf(name))
    assert.is(replica.core.counts.dropped, 0, name)
  }
})

const heartbeat = (committed: readonly number[]): Message => messageOf('heartbeat', { committed, executed: committed })
const far = (slot: number): Message => messageOf('preAccept', { slot, initDeps: [0, 0, slot - 1] })

test('a replica that was away believes the claims of two members, and of one alone only if no other is up', () => {
  const replica = receiver()
  const there = 5_000_000
  replica.receive(2, heartbeat([0, 0, there]))
  replica.receive(2, far(there + 1))
  assert.is(replica.core.counts.dropped, 1, 'one says so, another is up')
  replica.receive(0, heartbeat([0, 0, there - 10]))
  replica.receive(2, far(there + 1))
  assert.is(replica.core.counts.dropped, 1, 'two say so')
  assert.is(replica.core.instance(2, there + 1)?.phase, Phase.preAccepted)
  replica.receive(2, far(there + 2 * MAX_SLOTS_AHEAD))
  assert.is(replica.core.counts.dropped, 2)

  const alone = receiver()
  alone.core.linkDown(0)
  alone.receive(2, heartbeat([0, 0, there]))
  alone.receive(2, far(there + 1))
  assert.is(alone.core.counts.dropped, 0)
})

test('a row may grow without an end, by no more than its reach in a second', () => {
  const replica = receiver()
  let slot = 0
  for (let second = 0; second < 5; second++) {
    slot += MAX_SLOTS_AHEAD - 100
    replica.receive(2, far(slot))
    assert.is(replica.core.counts.dropped, second, `second ${second}`)
    replica.receive(2, far(slot + MAX_SLOTS_AHEAD))
    replica.cluster.nowMs += 1001
    replica.tick()
  }
})

test('one broken heartbeat makes nobody ask it for ever, nor recover what nobody proposed', () => {
  const cluster = new Cluster({ replicas: 3, makeEngine: wasmEngine.make })
  cluster.replica(2).propose(batch('a', 'k'))
  cluster.deliverAll()
  const { core } = cluster.replica(1)
  const broken = () => cluster.replica(1).receive(0, heartbeat(HUGE.slice(-3)))
  // Replica 1 lacks what 2 has: the claim of 0 is the highest, and it has nothing to give.
  cluster.messages = []
  for (let i = 0; i < 20; i++) cluster.replica(2).propose(batch(`b${i}`, 'k'))
  cluster.deliverAll(({ from, to }) => from !== 1 && to !== 1)
  cluster.messages = []
  assert.is(core.committed[2], 1)
  cluster.run(() => {
    broken()
    return (core.committed[2] as number) >= 21
  }, 3000)
  const { recoveries } = core.counts
  for (let i = 0; i < 100; i++) {
    broken()
    cluster.nowMs += 10
    for (const replica of cluster.replicas) replica.tick()
    cluster.deliverAll()
  }
  assert.is(core.counts.recoveries, recoveries)
  assert.equal(core.committed, [0, 0, 21])
})

test('a ballot from far above is come up to in steps, and heard in the end', () => {
  const replica = receiver()
  const ballot = 3 * Math.ceil((2.5 * MAX_BALLOT_JUMP) / 3)
  const recover = messageOf('recover', { ballot })
  for (const dropped of [1, 2]) {
    replica.receive(2, recover)
    assert.is(replica.core.counts.dropped, dropped)
  }
  assert.equal(replica.journal, [])
  replica.receive(2, recover)
  assert.is(replica.core.counts.dropped, 2)
  assert.is(replica.core.instance(0, 1)?.ballot, ballot)
})

test('slots and ballots near their limits do not stop a replica from deciding its instances after a restart', () => {
  const cluster = new Cluster({ replicas: 3, makeEngine: wasmEngine.make })
  const victim = cluster.replica(1)
  victim.propose(batch('mine', 'k'))
  cluster.messages = []
  for (const slot of [1, 2, MAX_OWN_SLOTS_AHEAD, MAX_OWN_SLOTS_AHEAD + 1, ...HUGE]) {
    victim.receive(2, messageOf('tryRecover', { row: 1, slot }))
    cluster.nowMs += 10
    victim.tick()
    for (let ballot = MAX_BALLOT_JUMP - 3; ballot < MAX_BALLOT_JUMP + 3; ballot++) {
      victim.receive(2, messageOf('recover', { row: 1, slot, ballot }))
      victim.receive(2, messageOf('nack', { row: 1, slot, ballot }))
    }
    for (const ballot of [MAX_BALLOT, MAX_BALLOT + 1, 2 ** 53 - 1]) {
      for (let k = 0; k < 3; k++) victim.receive(2, messageOf('recover', { row: 1, slot, ballot: ballot - k }))
      victim.receive(2, messageOf('nack', { row: 1, slot, ballot }))
    }
  }
  assert.is(victim.core.slot, MAX_OWN_SLOTS_AHEAD)
  cluster.messages = []
  cluster.crash(1)
  cluster.restart(1)
  const used = victim.core.slot
  cluster.run(() => (victim.core.committed[1] as number) >= used, 10_000)
  victim.propose(batch('again', 'k'))
  cluster.run(() => victim.executed.includes('again'), 2000)
})

test('a flood of requests is answered up to the allowance of the peer, and goes on with the next look', () => {
  const cluster = new Cluster({ replicas: 3, makeEngine: wasmEngine.make })
  for (let i = 0; i < 2000; i++) cluster.replica(1).propose(batch(`${i}`, `k${i}`))
  cluster.deliverAll()
  const victim = cluster.replica(1)
  const flood = (changes: (i: number) => Message): number => {
    for (let i = 0; i < 20_000; i++) victim.receive(2, changes(i))
    const answers = cluster.find({ from: 1, to: 2 }).length
    cluster.messages = []
    return answers
  }
  const look = () => {
    cluster.nowMs += 10
    for (const replica of cluster.replicas) replica.tick()
    cluster.messages = []
  }
  const ask = (i: number): Message => ({ type: MessageType.ask, epoch: 0, row: 1, slot: 1 + (i % 1000), count: 65_536 })
  look()
  assert.is(flood(ask), 512)
  assert.is(
    flood((i) => messageOf('recover', { row: 1, slot: 1 + (i % 2000) })),
    512,
    'recoveries have the other half',
  )
  assert.is(flood(ask), 0)
  look()
  assert.is(flood(ask), 512)
  look()
  assert.is(
    flood((i) => messageOf('tryRecover', { row: 0, slot: 1 + i })),
    256,
  )
  victim.receive(0, ask(1))
  assert.is(cluster.find({ from: 1, to: 0 }).length, 256, 'others are answered meanwhile')
  assert.ok(victim.core.counts.deferred > 50_000)
})

test.run()
