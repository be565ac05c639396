import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Command, type Message, MessageType, Phase, type RecoverOk } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster, type ClusterOptions } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { freshSeed, Random } from '../support/random.ts'
import type { TestReplica } from '../support/test-replica.ts'
import { volume } from '../support/volumes.ts'

/** Installing the checkpoint of a peer (protocol.md §10): replaced, never merged. */
const test = suite('install')

const { accept, commit, heartbeat, recover, recoverOk, truncated } = MessageType
const NONE = [0, 0, 0]

function each(title: string, body: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => body(maker))
}

function clusterOf({ make }: EngineMaker, options: Partial<ClusterOptions> = {}): Cluster {
  return new Cluster({ replicas: 3, makeEngine: make, ...options })
}

/** Lets time pass; everything is delivered. */
function pass(cluster: Cluster, ms = 500): void {
  const end = cluster.nowMs + ms
  cluster.run(() => cluster.nowMs >= end, ms + 100)
}

/** 0 and 1 execute the batches while 2 is down, and keep checkpoints instead of their journals. */
function goOnWithout2(cluster: Cluster, names: readonly string[], key = 'a'): void {
  cluster.crash(2)
  for (const name of names) {
    cluster.replica(0).propose(batch(name, key))
    cluster.deliverAll()
  }
  pass(cluster, 200)
  for (const id of [0, 1]) {
    const checkpoint = cluster.replica(id).checkpoint()
    pass(cluster, 50)
    checkpoint.write()
    cluster.replica(id).trim()
  }
}

const NAMES = ['γ', 'δ', 'ε', 'ζ']

/** 2 was down, and what it missed is gone. */
function behind(maker: EngineMaker): Cluster {
  const cluster = clusterOf(maker)
  cluster.replica(2).propose(batch('before', 'a'))
  cluster.deliverAll()
  pass(cluster, 200)
  goOnWithout2(cluster, NAMES)
  cluster.restart(2)
  pass(cluster)
  assert.equal(cluster.replica(2).executed, ['before'])
  assert.ok(cluster.replica(2).core.peersWithCheckpoint.length > 0)
  return cluster
}

function sentBy(cluster: Cluster, from: number, type: number): Message[] {
  return cluster.find({ from, type }).map(({ message }) => message)
}

each('a replica whose peers have forgotten what it lacks goes on from a checkpoint', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  replica.install(cluster.replica(0))
  assert.equal(replica.executed, ['before', ...NAMES])
  assert.equal(replica.core.peersWithCheckpoint, [])
  assert.equal(replica.core.executed.vector, cluster.replica(0).core.executed.vector)
  replica.propose(batch('of 2', 'a'))
  cluster.replica(0).propose(batch('of 0', 'a'))
  cluster.run(() => cluster.replicas.every(({ executed }) => executed.length === 7), 2000)
  cluster.check()
})

each('it announces what it has installed when its own checkpoint of that is whole, and not before', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  const announced = () => {
    cluster.nowMs += 500
    cluster.messages = []
    replica.tick()
    const [message] = sentBy(cluster, 2, heartbeat)
    assert.ok(message?.type === heartbeat)
    return message.executed
  }
  const before = announced()
  replica.install(cluster.replica(0))
  replica.propose(batch('later', 'b'))
  cluster.deliverAll()
  assert.ok(replica.executed.includes('later'))
  assert.equal(announced(), before)
  const checkpoint = replica.checkpoint()
  replica.propose(batch('later still', 'b'))
  cluster.deliverAll()
  assert.equal(announced(), before)
  checkpoint.write()
  assert.ok(replica.core.unsettled)
  replica.settle()
  assert.not.ok(replica.core.unsettled)
  assert.equal(announced(), replica.core.executed.vector)
  cluster.check()
})

each('a second install waits for a checkpoint as well', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  const before = replica.core.executed.vector
  replica.install(cluster.replica(0))
  replica.propose(batch('between', 'a'))
  cluster.run(() => cluster.replicas.every(({ executed }) => executed.includes('between')), 2000)
  replica.install(cluster.replica(1))
  // The journal becomes durable, which says nothing about the state.
  replica.propose(batch('behind both', 'b'))
  replica.sync()
  cluster.messages = []
  cluster.nowMs += 500
  replica.tick()
  const [message] = sentBy(cluster, 2, heartbeat)
  assert.equal(message?.type === heartbeat && message.executed, before)
})

each('a checkpoint with another outcome than the one known here stops the replica', (maker) => {
  const cluster = behind(maker)
  const image = cluster.replica(0).image()
  const replica = cluster.replica(2)
  const wrong = { type: commit, epoch: 0, row: 0, slot: 2, ballot: 4, command: Command.noop, deps: NONE, batch: null }
  replica.core.receive(1, wrong)
  assert.throws(() => replica.installImage(image), /another outcome/)
})

each('killed before its own checkpoint is whole, it is where it was, and installs again', (maker) => {
  const cluster = behind(maker)
  cluster.replica(2).install(cluster.replica(0))
  cluster.replica(2).propose(batch('of 2', 'a'))
  cluster.run(() => cluster.replicas.every(({ executed }) => executed.includes('of 2')), 2000)
  cluster.crash(2)
  cluster.restart(2)
  pass(cluster)
  assert.equal(cluster.replica(2).executed, ['before'])
  assert.ok(cluster.replica(2).core.peersWithCheckpoint.length > 0)
  cluster.replica(2).install(cluster.replica(1))
  cluster.run(() => cluster.replica(2).executed.includes('of 2'), 2000)
  cluster.check()
})

each('at a replica that had executed what the giver had not, its checkpoint is never installed', (maker) => {
  const cluster = behind(maker)
  const old = cluster.replica(1).image()
  cluster.replica(2).install(cluster.replica(0))
  cluster.replica(2).propose(batch('more', 'a'))
  cluster.run(() => cluster.replica(2).executed.includes('more'), 2000)
  assert.throws(() => cluster.replica(2).installImage(old), /contains what has executed here/)
})

each('promises and votes stay its own, and those of the giver are not taken', (maker) => {
  const cluster = behind(maker)
  const [giver, replica] = [cluster.replica(0), cluster.replica(2)]
  // 2 has voted for 1.1 in ballot 3, the giver in ballot 5; 0.9 is promised here only, 0.8 there only.
  const about = { epoch: 0, row: 1, slot: 1, command: Command.batch, deps: [5, 0, 1], batch: batch('η', 'a') }
  replica.receive(2, { type: accept, ...about, ballot: 3 })
  giver.receive(1, { type: accept, ...about, ballot: 5 })
  replica.receive(1, { type: recover, epoch: 0, row: 0, slot: 6, ballot: 5 })
  giver.receive(1, { type: recover, epoch: 0, row: 0, slot: 7, ballot: 8 })
  replica.install(giver)
  assert.equal([replica.core.instance(1, 1)?.voteBallot, replica.core.instance(1, 1)?.phase], [3, Phase.accepted])
  assert.is(replica.core.instance(0, 6)?.ballot, 5)
  assert.is(replica.core.instance(0, 7), undefined)
  cluster.messages = []
  replica.receive(0, { type: recover, epoch: 0, row: 1, slot: 1, ballot: 7 })
  const [answer] = sentBy(cluster, 2, recoverOk) as RecoverOk[]
  assert.equal([answer?.voteBallot, answer?.phase], [3, Phase.accepted])
})

each('what is committed here and not in the checkpoint executes again, in order', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  const image = cluster.replica(0).image()
  // Behind the missing ones, so it cannot execute here before.
  cluster.replica(1).propose(batch('after', 'a'))
  cluster.deliverAll()
  assert.ok(replica.core.instance(1, 1)?.committed)
  assert.equal(replica.executed, ['before'])
  replica.installImage(image)
  assert.equal(replica.executed, ['before', ...NAMES, 'after'])
  cluster.check()
})

each('own instances that executed elsewhere are told, and no-ops are proposed again', (maker) => {
  const cluster = clusterOf(maker)
  const replica = cluster.replica(2)
  const rejected: string[] = []
  cluster.onRejected = (at, instance) => rejected.push(`${at.id}: ${instance}`)
  replica.propose(batch('executed elsewhere', 'a'))
  replica.propose(batch('a no-op', 'a'))
  cluster.deliverAll(({ from, message }) => from === 2 && message.type === MessageType.preAccept && message.slot === 1)
  for (const sent of cluster.find({ to: 2 })) cluster.drop(sent)
  // 0 and 1 decide both without 2, and a third one that 2 never used.
  cluster.messages = cluster.messages.filter(({ from, to }) => from !== 2 && to !== 2)
  for (const slot of [1, 2, 3]) {
    const command = slot === 1 ? Command.batch : Command.noop
    const deps = NONE
    const decided = slot === 1 ? batch('executed elsewhere', 'a') : null
    for (const id of [0, 1]) {
      const message = { type: commit, epoch: 0, row: 2, slot, ballot: 4, command, deps, batch: decided }
      cluster.replica(id).receive(1 - id, message)
    }
  }
  assert.equal(cluster.replica(0).executed, ['executed elsewhere'])
  assert.ok(replica.core.instance(2, 2)?.attempt !== null)
  const { executedElsewhere } = replica.install(cluster.replica(0))
  assert.equal(executedElsewhere, [1])
  assert.equal(rejected, ['2: 2.2'])
  cluster.messages = []
  for (let step = 0; step < 100; step++) {
    cluster.nowMs += 50
    replica.tick()
  }
  const about = sentBy(cluster, 2, MessageType.accept).concat(sentBy(cluster, 2, MessageType.preAccept))
  assert.equal(about, [], 'attempts on them have ended')
  assert.is(replica.propose(batch('next', 'a')).slot, 4)
})

each('a read that waits for what is in the checkpoint is answered after it', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  const [read] = replica.read('a')
  cluster.deliverAll(({ message }) => message.type === MessageType.probe || message.type === MessageType.probeOk)
  assert.is(read?.done, false)
  replica.install(cluster.replica(1))
  assert.is(read?.done, true)
})

each('what a peer asks about an installed instance is answered as by any who executed it', (maker) => {
  const cluster = behind(maker)
  const replica = cluster.replica(2)
  replica.install(cluster.replica(0))
  cluster.messages = []
  replica.receive(1, { type: recover, epoch: 0, row: 0, slot: 1, ballot: 2 })
  assert.equal(sentBy(cluster, 2, recoverOk), [])
  assert.is(sentBy(cluster, 2, truncated).length, 1)
  // It is in the index: whoever proposes depends on it.
  assert.equal(replica.propose(batch('new', 'a')).initDeps?.[0], NAMES.length)
})

/** Random runs in which replicas miss things, forget, and install; images are as old as a transfer makes them. */
function someRun(random: Random, maker: EngineMaker): number {
  const replicas = random.pick([3, 5])
  const timing = { retryMs: 20, recoverMs: 30, lazyMs: random.pick([0, 30]) }
  const cluster = new Cluster({ replicas, makeEngine: maker.make, random: random.next, timing })
  const images: { from: number; image: ReturnType<TestReplica['image']> }[] = []
  let installs = 0
  let [down, downSteps] = [-1, 0]
  for (let step = 0; step < 400; step++) {
    const replica = random.pick(cluster.replicas)
    const choice = random.next()
    if (!replica.up) continue
    if (choice < 0.12) replica.propose(batch(`${step}`, random.pick(['a', 'b', '?a', '*'])))
    else if (choice < 0.3) {
      cluster.nowMs += 20
      for (const each of cluster.replicas) if (each.up) each.tick()
    } else if (choice < 0.34) {
      replica.checkpoint().write()
      replica.trim()
    } else if (choice < 0.4) images.push({ from: replica.id, image: replica.image() })
    else if (choice < 0.46 && images.length > 0) {
      const { from, image } = random.pick(images)
      if (from === replica.id || !replica.mayInstall(image)) continue
      replica.installImage(image)
      installs++
    } else if (choice < 0.48 && replica.core.unsettled) {
      replica.checkpoint().write()
      replica.settle()
    } else if (choice < 0.5 && down < 0) {
      down = replica.id
      downSteps = step + random.below(60)
      cluster.crash(down)
    } else if (cluster.messages.length > 0) {
      const sent = random.pick(cluster.messages)
      if (random.chance(0.15)) cluster.drop(sent)
      else cluster.deliver(sent)
    }
    if (down >= 0 && step >= downSteps) {
      cluster.restart(down)
      down = -1
    }
  }
  if (down >= 0) cluster.restart(down)
  cluster.linkAll()
  const atRest = () => new Set(cluster.replicas.map(({ executed }) => executed.length)).size === 1
  for (let round = 0; round < 40 && (round < 3 || !atRest()); round++) {
    pass(cluster, 300)
    for (const replica of cluster.replicas) {
      const given = replica.core.peersWithCheckpoint.map((row) => cluster.replica(row).image())
      const image = given.find((image) => replica.mayInstall(image))
      if (image === undefined) continue
      replica.installImage(image)
      replica.checkpoint().write()
      replica.settle()
      installs++
    }
  }
  assert.ok(atRest(), `${cluster.replicas.map(({ executed }) => executed.length)}`)
  cluster.check()
  return installs
}

each('random runs with installs keep agreement, visibility and one order, and end', (maker) => {
  const fresh = freshSeed()
  let installs = 0
  for (let round = 0; round < 60; round++) {
    const seed = round < 30 ? round : fresh + round
    try {
      installs += someRun(new Random(seed), maker)
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).stack}`)
    }
  }
  assert.ok(installs > 60, `${installs}`)
  volume('installs in random runs', installs)
})

test.run()
