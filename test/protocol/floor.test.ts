import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Command, type Message, MessageType, Phase } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster, type ClusterOptions } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { Story } from './story.ts'

/** Forgetting (protocol.md §10): what every member has executed durably, with the floor rule, lagged. */
const test = suite('floor')

const { preAccept, preAcceptOk, accept, commit, recover, validate, validateOk, tryRecover, ask, truncated, waiting } =
  MessageType

function each(title: string, body: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => body(maker))
}

function clusterOf(replicas: number, { make }: EngineMaker, options: Partial<ClusterOptions> = {}): Cluster {
  return new Cluster({ replicas, makeEngine: make, ...options })
}

/** Lets time pass; everything is delivered. */
function pass(cluster: Cluster, ms = 500): void {
  const end = cluster.nowMs + ms
  cluster.run(() => cluster.nowMs >= end, ms + 100)
}

/** 0.1 to 0.`count` write the key, are executed everywhere, and forgotten. */
function forgotten(cluster: Cluster, key: string, count = 1): void {
  for (let i = 0; i < count; i++) {
    cluster.replica(0).propose(batch(`old ${i}`, key))
    cluster.deliverAll()
  }
  pass(cluster)
  for (const { core } of cluster.replicas) assert.is(core.dropped[0], core.executed.vector[0])
}

function sentBy(cluster: Cluster, from: number, type: number): Message[] {
  return cluster.find({ from, type }).map(({ message }) => message)
}

const GONE = { epoch: 0, row: 0, slot: 1 } as const

each('what every member has executed is forgotten: engine, instances and index', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a', 20)
  for (const { core, engine } of cluster.replicas) {
    assert.is(core.instance(0, 20), undefined)
    assert.equal(engine.conflicts(1, 1, batch('c', 'a').footprint, [0, 0, 0]), [])
    assert.equal(core.floor, [20, 0, 0])
  }
})

each('3: a PreAccept from before, of a coordinator that did not know, gets what was forgotten since', (maker) => {
  const cluster = clusterOf(3, maker)
  cluster.replica(1).propose(batch('δ', 'a'))
  const [late] = cluster.find({ from: 1, to: 2, type: preAccept })
  assert.ok(late !== undefined)
  for (const sent of cluster.find({ from: 1 })) cluster.drop(sent)
  // 0 and 2 commit γ, which does not know of δ, and everybody executes it.
  cluster.replica(0).propose(batch('γ', 'a'))
  cluster.deliverAll(({ message }) => message.type !== preAccept || message.row === 0)
  const isPreAccept = (type: number) => type === preAccept || type === preAcceptOk
  for (let round = 0; round < 8; round++) {
    cluster.nowMs += 100
    for (const replica of cluster.replicas) {
      // Nobody hears of δ again.
      replica.tick()
      for (const sent of cluster.find({ row: 1 })) cluster.drop(sent)
    }
    cluster.deliverAll(({ message }) => !isPreAccept(message.type))
  }
  assert.equal(
    cluster.replicas.map(({ core }) => core.dropped[0]),
    [1, 1, 1],
  )
  cluster.deliver(late)
  const [answer] = sentBy(cluster, 2, preAcceptOk)
  assert.equal(answer?.type === preAcceptOk && answer.deps, [1, 0, 0])
})

each('a proposal names everything that others may have forgotten, and stays on the fast path', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a', 3)
  const before = cluster.replica(1).core.counts.fast
  const instance = cluster.replica(1).propose(batch('new', 'a'))
  assert.equal(instance.initDeps, [3, 0, 0])
  cluster.deliverAll()
  assert.is(cluster.replica(1).core.counts.fast, before + 1)
})

each('vectors that are adopted are never raised', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a', 3)
  const about = { epoch: 0, row: 2, slot: 1, ballot: 3, deps: [0, 0, 0], batch: batch('δ', 'a') }
  const { core } = cluster.replica(1)
  cluster.replica(1).receive(2, { type: accept, ...about, command: Command.batch })
  assert.equal(core.instance(2, 1)?.deps, [0, 0, 0])
  cluster.replica(1).receive(2, { type: recover, ...about, row: 0, slot: 4 })
  cluster.replica(1).receive(2, { type: validate, ...about, row: 0, slot: 4, deps: [3, 0, 0] })
  assert.equal(core.instance(0, 4)?.initDeps, [3, 0, 0])
  cluster.replica(1).receive(2, { type: commit, ...about, command: Command.batch })
  assert.equal(cluster.decisions.get('2.1')?.deps, [0, 0, 0])
})

each('a request about what is forgotten is answered with Truncated, never with a vote', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a')
  const requests: Message[] = [
    { type: preAccept, ...GONE, mode: 0, initDeps: [0, 0, 0], batch: batch('γ', 'a') },
    { type: accept, ...GONE, ballot: 0, command: Command.batch, deps: [0, 0, 0], batch: null },
    { type: recover, ...GONE, ballot: 4 },
    { type: validate, ...GONE, ballot: 4, deps: [0, 0, 0], batch: batch('γ', 'a') },
    { type: waiting, ...GONE, count: 1 },
    { type: tryRecover, ...GONE },
    { type: ask, ...GONE, count: 1 },
  ]
  const replica = cluster.replica(1)
  const journal = replica.journal.length
  for (const request of requests) {
    replica.receive(0, request)
    assert.equal(sentBy(cluster, 1, truncated), [{ type: truncated, ...GONE, executed: [1, 0, 0] }])
    assert.is(cluster.messages.length, 1)
    cluster.messages = []
  }
  assert.is(replica.journal.length, journal)
})

each('Commits and answers about what is forgotten are ignored', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a')
  const replies: Message[] = [
    { type: commit, ...GONE, ballot: 0, command: Command.batch, deps: [0, 0, 0], batch: batch('γ', 'a') },
    { type: preAcceptOk, ...GONE, ok: true, deps: [0, 0, 0] },
    { type: MessageType.acceptOk, ...GONE, ballot: 1 },
    { type: validateOk, ...GONE, ballot: 1, conflicts: [] },
    { type: MessageType.nack, ...GONE, ballot: 9 },
    { type: truncated, ...GONE, executed: [1, 0, 0] },
  ]
  const replica = cluster.replica(0)
  for (const reply of replies) replica.receive(1, reply)
  assert.equal(cluster.messages, [])
  assert.is(replica.core.instance(0, 1), undefined)
  assert.equal(replica.core.peersWithCheckpoint, [])
  assert.is(replica.core.counts.dropped, 0)
})

each('a range that is asked for gets one Truncated, and the Commits that are left', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a', 5)
  cluster.replica(0).propose(batch('new', 'a'))
  cluster.deliverAll()
  cluster.replica(1).receive(2, { type: ask, ...GONE, count: 10 })
  assert.is(sentBy(cluster, 1, truncated).length, 1)
  assert.equal(
    cluster.find({ from: 1, type: commit }).map(({ message }) => 'slot' in message && message.slot),
    [6],
  )
})

each('a member that is down holds everything back; what is kept is forgotten when it has caught up', (maker) => {
  const cluster = clusterOf(3, maker)
  cluster.crash(2)
  for (let i = 0; i < 50; i++) cluster.replica(i % 2).propose(batch(`${i}`, 'a'))
  pass(cluster)
  for (const id of [0, 1]) {
    assert.equal(cluster.replica(id).core.dropped, [0, 0, 0])
    assert.is(cluster.replica(id).core.executed.vector[0], 25)
    assert.is(cluster.replica(id).core.instance(0, 25)?.kept, true)
  }
  cluster.restart(2)
  cluster.run(() => cluster.replica(2).executed.length === 50, 5000)
  pass(cluster)
  for (const { core } of cluster.replicas) assert.equal(core.dropped, [25, 25, 0])
  cluster.check()
})

each('what a peer that is up has not announced is not forgotten: its proposals would lose the fast path', (maker) => {
  const cluster = clusterOf(3, maker, { timing: { suspectMs: 1e9 } })
  cluster.replica(0).propose(batch('γ', 'a'))
  cluster.deliverAll()
  const isOf2 = (from: number, type: number) => from === 2 && type === MessageType.heartbeat
  for (let round = 0; round < 10; round++) {
    cluster.nowMs += 100
    for (const replica of cluster.replicas) replica.tick()
    // 2 announces what it has executed, and that others have executed it reaches nobody.
    const heard = cluster.find({ type: MessageType.heartbeat })
    for (const sent of heard) {
      const { message } = sent
      if (message.type !== MessageType.heartbeat) continue
      cluster.drop(sent)
      const told = isOf2(sent.from, message.type) ? { ...message, floor: [0, 0, 0] } : message
      cluster.replica(sent.to).receive(sent.from, told)
    }
  }
  for (const id of [0, 1]) {
    assert.equal(cluster.replica(id).core.floor, [1, 0, 0])
    assert.equal(cluster.replica(id).core.dropped, [0, 0, 0])
  }
  assert.equal(cluster.replica(2).core.dropped, [1, 0, 0])
})

each('nothing is forgotten while an image is read', (maker) => {
  const cluster = clusterOf(3, maker)
  cluster.replica(0).propose(batch('γ', 'a'))
  cluster.deliverAll()
  const image = cluster.replica(1).core.image()
  pass(cluster)
  assert.equal(cluster.replica(0).core.dropped, [1, 0, 0])
  assert.equal(cluster.replica(1).core.dropped, [0, 0, 0])
  assert.is([...image.parts()].length, 2)
  image.release()
  pass(cluster)
  assert.equal(cluster.replica(1).core.dropped, [1, 0, 0])
})

each('a restart forgets nothing of what it needs, and again what every member has executed', (maker) => {
  const cluster = clusterOf(3, maker)
  forgotten(cluster, 'a', 5)
  for (const id of [0, 1, 2]) {
    cluster.crash(id)
    cluster.restart(id)
    assert.equal(cluster.replica(id).core.dropped, [0, 0, 0])
  }
  cluster.replica(1).propose(batch('new', 'a'))
  pass(cluster)
  for (const { core } of cluster.replicas) assert.equal(core.dropped, [5, 1, 0])
  cluster.check()
})

each('Validate reports what has executed as committed, if it is no no-op and not forgotten', (maker) => {
  const story = new Story(5, maker)
  const { cluster } = story
  const replica = cluster.replica(1)
  // 3.1 has executed as a no-op, 4.1 as its batch; neither knows of 0.1.
  const decided = { epoch: 0, slot: 1, ballot: 0, deps: [0, 0, 0, 0, 0] }
  replica.receive(3, { type: preAccept, ...decided, row: 3, mode: 0, initDeps: decided.deps, batch: batch('3.1', 'a') })
  replica.receive(3, { type: commit, ...decided, row: 3, command: Command.noop, batch: null })
  const validation = { ...decided, type: validate, row: 0, ballot: 3, batch: batch('0.1', 'a') } as const
  const answer = () => {
    cluster.messages = []
    replica.receive(2, validation)
    const [message] = sentBy(cluster, 1, validateOk)
    return message?.type === validateOk ? message.conflicts : null
  }
  replica.receive(2, { type: recover, epoch: 0, row: 0, slot: 1, ballot: 3 })
  assert.equal(answer(), [])
  replica.receive(4, { type: commit, ...decided, row: 4, command: Command.batch, batch: batch('4.1', 'a') })
  assert.ok(replica.core.executed.has(3, 1) && replica.core.executed.has(4, 1))
  assert.equal(answer(), [{ row: 4, slot: 1, phase: Phase.committed }])
})

each('whose back-off grew in a long cut tries again soon after the link is back', (maker) => {
  const cluster = clusterOf(3, maker, { random: () => 1 })
  for (const peer of [1, 2]) cluster.replica(0).core.linkDown(peer)
  cluster.replica(0).propose(batch('γ', 'a'))
  cluster.messages = []
  for (let i = 0; i < 2000; i++) {
    cluster.nowMs += 10
    cluster.replica(0).tick()
  }
  assert.ok((cluster.replica(0).core.instance(0, 1)?.tries ?? 0) > 3)
  cluster.messages = []
  cluster.linkAll()
  cluster.run(() => cluster.replica(0).executed.length === 1, 700)
})

each('25: slots beyond 65,536 and around 2³² are forgotten as any', (maker) => {
  for (const before of [65_530, 2 ** 32 - 6]) {
    const cluster = clusterOf(3, maker)
    for (const replica of cluster.replicas) replica.beginAfter([before, 0, before])
    cluster.linkAll()
    pass(cluster)
    for (let i = 0; i < 20; i++) {
      cluster.replica(0).propose(batch(`${i}`, 'a'))
      cluster.replica(1).propose(batch(`other ${i}`, 'a'))
      cluster.deliverAll()
    }
    for (const { core } of cluster.replicas) assert.equal(core.executed.vector, [before + 20, 20, before])
    pass(cluster)
    for (const { core, engine } of cluster.replicas) {
      assert.equal(core.dropped, [before + 20, 20, before])
      assert.equal(engine.conflicts(1, 21, batch('c', 'a').footprint, [before, 0, before]), [])
    }
    assert.equal(cluster.replica(2).propose(batch('next', 'a')).initDeps, [before + 20, 20, before])
    cluster.check()
  }
})

each('a peer that has forgotten what is open here is one to take a checkpoint from', (maker) => {
  const cluster = clusterOf(3, maker)
  const replica = cluster.replica(2)
  replica.receive(1, { type: tryRecover, ...GONE })
  assert.equal(replica.core.peersWithCheckpoint, [])
  replica.receive(1, { type: truncated, ...GONE, executed: [1, 0, 0] })
  assert.equal(replica.core.peersWithCheckpoint, [1])
  replica.receive(0, { type: commit, ...GONE, ballot: 0, command: Command.noop, deps: [0, 0, 0], batch: null })
  assert.equal(replica.core.peersWithCheckpoint, [])
})

test.run()
