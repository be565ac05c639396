import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MessageType, Phase } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { Random } from '../support/random.ts'
import { Observer } from './observer.ts'
import { Story } from './story.ts'

/** Scenarios of test/README.md about order, repetition, liveness and size; their numbers are those of the README. */
const test = suite('scenarios')

const { preAccept, preAcceptOk, accept, commit, tryRecover, heartbeat } = MessageType

function each(title: string, run: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => run(maker))
}

/**
 * Delivers everything in flight once: half a round trip. Returns the number of halves until the condition holds, with
 * the clock standing still.
 */
function halfRoundTrips(cluster: Cluster, until: () => boolean, limit = 20): number {
  for (let halves = 0; halves <= limit; halves++) {
    if (until()) return halves
    for (const sent of [...cluster.messages]) cluster.deliver(sent)
  }
  throw new Error(`not reached in ${limit} half round trips`)
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) => permutations(items.filter((_, k) => k !== i)).map((rest) => [item, ...rest]))
}

each('5: mixed replies never merge into a fast commit, in any order', (maker) => {
  for (const order of permutations([1, 2, 3])) {
    const story = new Story(4, maker)
    story.propose(3, 'a')
    story.preAccept(3, [2])
    story.lose()
    story.propose(0, 'a')
    story.preAccept(0, [1, 2, 3])
    story.preAcceptOk(0, order)
    assert.is(story.at(0).core.counts.fast, 0)
    story.settle()
    assert.is(story.outcome('0.1'), '[0,0,0,1]')
  }
})

each('5: a fast commit ignores the dissenter, whether it answers first or last', (maker) => {
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const story = new Story(3, maker)
    story.propose(2, 'a')
    story.lose()
    story.propose(0, 'a')
    story.preAccept(0, [1, 2])
    story.preAcceptOk(0, order)
    assert.is(story.at(0).core.counts.fast, 1)
    assert.is(story.outcome('0.1'), '[0,0,0]')
    story.settle()
  }
})

each('nothing of a fast commit leaves or executes before its record is durable', (maker) => {
  const story = new Story(3, maker, { autoSync: false })
  story.propose(0, 'a')
  assert.is(story.cluster.messages.length, 0)
  story.at(0).sync()
  story.deliver({ type: preAccept, to: 1 })
  assert.is(story.cluster.find({ type: preAcceptOk }).length, 0)
  story.at(1).sync()
  story.deliver({ type: preAcceptOk })
  assert.is(story.at(0).core.instance(0, 1)?.phase, Phase.committed)
  assert.is(story.cluster.find({ type: commit }).length, 0)
  assert.equal(story.at(0).executed, [])
  story.at(0).sync()
  assert.is(story.cluster.find({ type: commit }).length, 2)
  assert.equal(story.at(0).executed, ['0.1'])
})

each('6: messages of every type twice and in reverse order change nothing', (maker) => {
  const seen = new Set<number>()
  for (const replicas of [3, 5]) {
    for (let seed = 1; seed <= 20; seed++) {
      const story = new Story(replicas, maker)
      const { cluster } = story
      new Observer(cluster)
      const random = new Random(seed)
      for (const id of [0, 1, replicas - 1]) story.propose(id, 'a')
      for (const sent of cluster.find({ from: 0 })) if (random.chance(0.5)) cluster.deliver(sent)
      cluster.crash(0)
      for (let id = 1; id < replicas; id++) {
        if (random.chance(0.5)) continue
        story.begin(0, id)
        story.begin(0, id)
        seen.add(tryRecover)
      }
      story.at(1).read('a')
      for (let last = cluster.messages.at(-1); last !== undefined; last = cluster.messages.at(-1)) {
        if (story.at(last.to).up) seen.add(last.message.type)
        cluster.deliver(last, true)
        cluster.deliver(last)
      }
      cluster.restart(0)
      story.settle()
      for (const replica of cluster.replicas) assert.is(new Set(replica.executed).size, replica.executed.length)
    }
  }
  // No replica sends Truncated yet, no heartbeat is due, and checkpoints go from node to node.
  const missing = Object.entries(MessageType).filter(
    ([name, type]) => !seen.has(type) && !/truncated|heartbeat|checkpoint|notYet/.test(name),
  )
  assert.equal(missing, [])
})

each('7: the dependencies of a batch on two keys cover the later conflict of the second', (maker) => {
  const story = new Story(3, maker)
  story.propose(1, 'x')
  story.propose(1, 'y')
  story.propose(2, 'y')
  story.deliver({ type: preAccept, to: 0 })
  story.lose()
  story.propose(0, 'x', 'y')
  assert.equal(story.at(0).core.instance(0, 1)?.initDeps, [0, 2, 1])
  story.settle()
})

each('8: a component executes in one order, whichever member commits first', (maker) => {
  for (const order of permutations([0, 1, 2])) {
    const story = new Story(3, maker)
    for (const id of [0, 1, 2]) story.propose(id, 'a')
    story.deliver({ type: preAccept })
    story.deliver({ type: preAcceptOk })
    story.deliver({ type: accept })
    story.deliver({ type: MessageType.acceptOk })
    for (const row of order) story.deliver({ type: commit, row })
    story.settle()
    for (const replica of story.cluster.replicas) assert.equal(replica.executed, ['0.1', '1.1', '2.1'])
    assert.ok(story.cluster.components >= 3)
  }
})

each('9: a Commit that comes again after execution does not execute again', (maker) => {
  const story = new Story(3, maker)
  story.propose(0, 'a')
  story.preAccept(0, [1, 2])
  story.preAcceptOk(0, [1])
  for (let i = 0; i < 3; i++) story.deliver({ type: commit, to: 1 }, true)
  story.settle()
  assert.equal(story.at(1).executed, ['0.1'])
})

each(
  '16: conflicts that are not transitive, and a component of two crossing pairs, run in one order everywhere',
  (maker) => {
    for (let seed = 1; seed <= 20; seed++) {
      const story = new Story(5, maker)
      const { cluster } = story
      const random = new Random(seed)
      const keys =
        seed % 2 === 0
          ? [['a'], ['a', 'b'], ['b']]
          : [
              ['a', 'b'],
              ['b', 'c'],
              ['c', 'd'],
              ['d', 'a'],
            ]
      keys.forEach((each, id) => {
        story.propose(id, ...each)
      })
      while (cluster.messages.length > 0) cluster.deliver(random.pick(cluster.messages))
      story.settle()
      for (const replica of cluster.replicas) assert.is(replica.executed.length, keys.length, `seed ${seed}`)
    }
  },
)

each('19: with one of five down, or the first of three, one round trip without conflicts and two with', (maker) => {
  for (const [replicas, dead] of [
    [5, 4],
    [5, 1],
    [3, 1],
  ] as const) {
    const story = new Story(replicas, maker)
    const { cluster } = story
    cluster.crash(dead)
    const startMs = cluster.nowMs
    story.propose(0, 'a')
    assert.is(
      halfRoundTrips(cluster, () => story.at(0).executed.length === 1),
      2,
    )
    story.settle()
    const other = [...cluster.replicas].reverse().find(({ up }) => up)?.id as number
    story.propose(0, 'b')
    story.propose(other, 'b')
    const both = halfRoundTrips(
      cluster,
      () => story.at(0).executed.length === 3 && story.at(other).executed.length >= 3,
    )
    assert.ok(both <= 5, `${both} half round trips`)
    assert.is(cluster.nowMs, startMs)
  }
})

each(
  '20: under an endless stream of conflicts from all, each command executes within a bounded number of round trips',
  (maker) => {
    const WINDOW = 2
    for (const replicas of [3, 5]) {
      const story = new Story(replicas, maker)
      const { cluster } = story
      const proposedAt = new Map<string, number>()
      const worst = { halves: 0 }
      for (let half = 0; half < 200; half++) {
        for (const { id, core, executed } of cluster.replicas) {
          const own = executed.filter((name) => name.startsWith(`${id}.`))
          for (const name of own) {
            const since = proposedAt.get(name)
            if (since !== undefined) worst.halves = Math.max(worst.halves, half - since)
            proposedAt.delete(name)
          }
          if (core.slot - own.length >= WINDOW) continue
          proposedAt.set(`${id}.${core.slot + 1}`, half)
          story.propose(id, 'hot')
        }
        for (const sent of [...cluster.messages]) cluster.deliver(sent)
      }
      for (const [name, since] of proposedAt)
        assert.ok(200 - since <= 16, `${name} waits since half round trip ${since}`)
      assert.ok(worst.halves <= 16, `${worst.halves} half round trips`)
      cluster.check()
    }
  },
)

each(
  'a peer that depends on slots nobody proposed takes them out of use, and the owner goes on above them',
  (maker) => {
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
    const { footprint, commands } = batch('faulty', 'a')
    const about = { type: preAccept, epoch: 0, row: 1, slot: 1, mode: 0 } as const
    cluster.replica(0).receive(1, { ...about, initDeps: [5, 0, 0], batch: { footprint, commands } })
    cluster.run(() => cluster.replica(0).core.slot >= 5, 10_000)
    cluster.replica(0).propose(batch('after', 'a'))
    cluster.run(() => cluster.replicas.every(({ executed }) => executed.includes('after')), 10_000)
    assert.is(cluster.replica(0).core.slot, 6)
    cluster.check()
  },
)

each('21: an uncommitted dependency is named as the blocker, and what does not need it goes on', (maker) => {
  const story = new Story(3, maker)
  story.propose(0, 'a')
  story.preAccept(0, [1])
  story.lose()
  story.propose(1, 'a')
  story.propose(1, 'b')
  story.cluster.crash(0)
  for (let i = 0; i < 4; i++) for (const sent of [...story.cluster.messages]) story.cluster.deliver(sent)
  assert.equal(story.at(1).executed, ['1.2'])
  assert.equal(story.at(1).engine.blocker(1, 1), { row: 0, slot: 1 })
  story.settle()
  assert.ok(story.at(1).executed.includes('1.1'))
})

each('23: a replica whose disk hangs falls silent, and what it left open does not hold up the others', (maker) => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = new Random(seed).next
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, random, autoSync: false })
    let hung = -1
    const step = (ms: number): void => {
      cluster.nowMs += ms
      for (const replica of cluster.replicas) replica.tick()
      for (let i = 0; i < 6; i++) {
        for (const replica of cluster.replicas) if (replica.id !== hung) replica.sync()
        cluster.deliverAll()
      }
    }
    for (let i = 0; i < 50; i++) step(10)
    cluster.replica(0).propose(batch('left open', 'a'))
    cluster.replica(0).sync()
    hung = 0
    step(1)
    cluster.replica(1).propose(batch('of another', 'a'))
    for (let ms = 0; ms < 2000 && !cluster.replica(1).executed.includes('of another'); ms += 10) step(10)
    assert.ok(cluster.replica(1).executed.includes('of another'), `seed ${seed}`)
    hung = -1
    for (let ms = 0; ms < 10_000 && cluster.replica(0).executed.length < 2; ms += 10) step(10)
    assert.equal(cluster.replica(0).executed.sort(), cluster.replica(1).executed.sort())
  }
})

each('23: a replica whose disk hangs says nothing, whatever it lacks, until the disk is back', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, autoSync: false })
  let hung = false
  let said = 0
  const step = (): void => {
    cluster.nowMs += 10
    for (const replica of cluster.replicas) replica.tick()
    for (const replica of cluster.replicas) if (replica.id !== 0 || !hung) replica.sync()
    said += cluster.find({ from: 0 }).length
    // Nothing comes to it but heartbeats, so it lacks what the others commit, and what it would ask for.
    for (const sent of cluster.find({ to: 0 })) if (sent.message.type !== heartbeat) cluster.drop(sent)
    cluster.deliverAll()
  }
  const wait = (ms: number): void => {
    for (let i = 0; i < ms / 10; i++) step()
  }
  wait(500)
  for (let round = 0; round < 3; round++) {
    hung = true
    cluster.replica(0).propose(batch(`mine ${round}`, 'a'))
    cluster.replica(1).propose(batch(`other ${round}`, 'b'))
    // A hang that was called one makes the next one hardly harder to tell.
    wait(round === 0 ? 500 : 2500)
    assert.ok(cluster.replica(0).core.isDiskHung, `round ${round}`)
    said = 0
    wait(3000)
    assert.is(said, 0, `round ${round}`)
    assert.not(cluster.replica(1).core.alive(0))
    hung = false
    wait(500)
    assert.not(cluster.replica(0).core.isDiskHung)
    assert.ok(said > 0)
  }
  cluster.run(() => cluster.replicas.every(({ executed }) => executed.includes('other 2')), 10_000)
})

each('23: a replica with long turns is not recovered in each of them', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
  let inTurn = false
  const noops: number[] = []
  for (let round = 0; round < 20; round++) {
    for (let ms = 0; ms < 1000; ms += 10) {
      cluster.nowMs += 10
      if (ms === 190) cluster.replica(2).propose(batch(`2 ${round}`, 'a'))
      if (ms === 200) cluster.replica(0).propose(batch(`0 ${round}`, 'a'))
      inTurn = ms >= 200
      for (const { id } of cluster.replicas) if (id !== 2 || !inTurn) cluster.replica(id).tick()
      cluster.deliverAll(({ to, message }) => (to !== 2 || !inTurn) && (ms !== 190 || message.type !== preAcceptOk))
    }
    noops.push(cluster.replica(0).core.counts.noop)
  }
  const { falseSuspicions } = cluster.replica(0).core.counts
  assert.ok(falseSuspicions >= 1 && falseSuspicions <= 3, `${falseSuspicions} suspicions`)
  assert.is(noops.at(-1), noops[3], `${noops} no-ops`)
  for (const replica of cluster.replicas) replica.tick()
  cluster.deliverAll()
  // One that has no such history is suspected as fast as ever, and a closed link at once.
  for (let ms = 0; ms < 460; ms += 10) {
    cluster.nowMs += 10
    cluster.replica(0).tick()
  }
  assert.not(cluster.replica(0).core.alive(1))
  assert.ok(cluster.replica(0).core.alive(2))
  cluster.replica(0).core.linkDown(2)
  assert.not(cluster.replica(0).core.alive(2))
})

each('23: a replica whose disk is only slow is waited for', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, autoSync: false })
  let silent = 0
  for (let ms = 0; ms < 20_000; ms += 10) {
    cluster.nowMs += 10
    for (const replica of cluster.replicas) replica.tick()
    if (ms % 100 === 0) cluster.replica(2).propose(batch(`${ms}`, 'a'))
    for (const { id } of cluster.replicas) if (id !== 2 || ms % 1100 === 0) cluster.replica(id).sync()
    cluster.deliverAll()
    if (ms > 5000 && !cluster.replica(0).core.alive(2)) silent++
  }
  assert.is(silent, 0)
  assert.ok(cluster.replica(0).executed.length > 20)
})

each('nothing is sent again to a peer to whom it is still on its way', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
  cluster.replica(0).propose(batch('0.1', 'a'))
  const wait = (ms: number): void => {
    for (let i = 0; i < ms / 10; i++) {
      cluster.nowMs += 10
      cluster.replica(0).core.linkUp(1)
      cluster.replica(0).core.linkUp(2)
      cluster.replica(0).tick()
    }
  }
  cluster.replica(0).core.linksBehind(1 << 1)
  wait(3000)
  assert.is(cluster.find({ type: preAccept, to: 1 }).length, 1)
  assert.ok(cluster.find({ type: preAccept, to: 2 }).length > 1)
  cluster.replica(0).core.linksBehind(0)
  wait(3000)
  assert.ok(cluster.find({ type: preAccept, to: 1 }).length > 1)
})

/** Commits after the cut, in ms; `heal` tells replica 0 that it ended. */
function commitsAfterCut(cluster: Cluster, heal: () => void): number {
  const at0 = cluster.replica(0)
  at0.propose(batch('0.1', 'a'))
  for (let ms = 0; ms < 30_000; ms += 10) {
    cluster.nowMs += 10
    for (const replica of cluster.replicas) replica.tick()
    cluster.messages = []
  }
  heal()
  const healedMs = cluster.nowMs
  cluster.run(() => at0.core.instance(0, 1)?.committed !== false, 5000)
  return cluster.nowMs - healedMs
}

each('22: what could not be decided during a long cut is tried at once when a link comes back', (maker) => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, random: new Random(seed).next })
    for (const peer of [1, 2]) cluster.replica(0).core.linkDown(peer)
    const waited = commitsAfterCut(cluster, () => cluster.replica(0).core.linkUp(1))
    assert.ok(waited <= 150, `${waited} ms after the link came back`)
  }
})

each('22: the same where the links stood and nothing arrived', (maker) => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster({ replicas: 3, makeEngine: maker.make, random: new Random(seed).next })
    const waited = commitsAfterCut(cluster, () => assert.not(cluster.replica(0).core.hasQuorum))
    assert.ok(waited <= 150 + 100, `${waited} ms, of which a heartbeat may take 100`)
  }
})

for (const replicas of [1, 2, 3, 4, 5, 7, 9]) {
  each(`24: n = ${replicas}: a minority down makes progress, a majority down makes none and says so`, (maker) => {
    const story = new Story(replicas, maker)
    const { cluster } = story
    const { crashes } = story.at(0).core.quorums
    for (let i = 0; i < crashes; i++) cluster.crash(replicas - 1 - i)
    story.propose(0, 'a')
    story.settle()
    assert.equal(story.at(0).executed, ['0.1'])
    assert.ok(story.at(0).core.hasQuorum)
    if (replicas === 1) return
    cluster.crash(replicas - 1 - crashes)
    assert.not(story.at(0).core.hasQuorum)
    story.propose(0, 'a')
    const end = cluster.nowMs + 1000
    cluster.run(() => cluster.nowMs >= end, 2000)
    assert.equal(story.at(0).executed, ['0.1'])
    for (const { id, up } of cluster.replicas) if (!up) cluster.restart(id)
    story.settle()
    cluster.run(() => cluster.replicas.every(({ executed }) => executed.includes('0.1')), 5000)
  })
}

each('25: more than 65,536 instances in a row', (maker) => {
  const COUNT = 70_000
  const story = new Story(1, maker)
  for (let i = 0; i < COUNT; i++) story.at(0).propose(batch(`${i}`, `k${i % 7}`))
  assert.is(story.at(0).executed.length, COUNT)
  assert.equal(story.at(0).core.committed, [COUNT])
})

each('25: slots around 2³²', (maker) => {
  const story = new Story(3, maker)
  const { cluster } = story
  // The others are there already, and say so.
  const committed = [2 ** 32 - 2, 0, 0]
  for (const peer of [0, 2]) {
    const said = { committed, executed: committed, floor: [0, 0, 0], journal: 0, state: 0 }
    const heartbeat = { type: MessageType.heartbeat, epoch: 0, sentMs: 1, echoMs: 0, ...said }
    story.at(1).receive(peer, heartbeat)
  }
  for (const slot of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
    const name = batch(`${slot}`, 'a')
    const message = {
      type: preAccept,
      epoch: 0,
      row: 0,
      slot,
      mode: 0,
      initDeps: [slot - 1, 0, 0],
      batch: name,
    } as const
    story.at(1).receive(0, message)
    story.propose(1, 'a')
    assert.equal(story.at(1).core.instance(1, story.at(1).core.slot)?.initDeps?.[0], slot)
  }
  const conflicts = story.at(1).engine.conflicts(2, 1, batch('c', 'a').footprint, [2 ** 32 - 1, 9, 0])
  assert.equal(conflicts, [
    { row: 0, slot: 2 ** 32 },
    { row: 0, slot: 2 ** 32 + 1 },
  ])
  const message = cluster.find({ from: 1, to: 0, type: preAcceptOk })[0]?.message
  assert.equal(message?.type === preAcceptOk && message.deps, [2 ** 32 - 2, 0, 0])
})

test.run()
