import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MessageType } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { Story } from './story.ts'

/** Runs, found by hand, in which forgetting or an install once lost something. */
const test = suite('stories of forgetting and installs')

const { commit, preAccept, preAcceptOk } = MessageType

function each(title: string, body: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => body(maker))
}

function pass(cluster: Cluster, ms: number): void {
  const end = cluster.nowMs + ms
  cluster.run(() => cluster.nowMs >= end, ms + 100)
}

/** Both executed the no-op 2.1 of which 2 and 3 know the payload; 0 and 1 have never seen it. */
function noopOfWhichTwoKnowThePayload(maker: EngineMaker): Story {
  const story = new Story(5, maker)
  story.propose(2, 'a')
  story.preAccept(2, [3])
  story.lose()
  story.recover(2, 1, [0, 4])
  story.accept(2, 1, [0, 4])
  story.deliver({ type: commit, row: 2, to: 0 })
  story.deliver({ type: commit, row: 2, to: 4 })
  return story
}

/** 0.1 is decided with 1 and 2, if that is possible without a slow path, and recovered by 3 with 1 and 4. */
function decideTwice(story: Story): void {
  story.propose(0, 'a')
  story.preAccept(0, [1, 2])
  story.preAcceptOk(0, [1, 2])
  story.lose()
  if (story.at(0).core.counts.fast === 0) return
  story.recover(0, 3, [1, 4])
  story.validate(0, 3, [1, 4])
  story.accept(0, 3, [1, 4])
}

each('a no-op whose payload is known here stays in the index, if it comes by its Commit', (maker) => {
  const story = noopOfWhichTwoKnowThePayload(maker)
  story.deliver({ type: commit, row: 2, to: 2 })
  story.lose()
  decideTwice(story)
  assert.is(story.at(0).core.counts.fast, 0)
})

each('and also if it comes by the checkpoint of a replica that has never seen the payload', (maker) => {
  const story = noopOfWhichTwoKnowThePayload(maker)
  story.at(2).install(story.at(0))
  story.lose()
  assert.ok(story.at(2).core.executed.has(2, 1))
  assert.not(story.at(2).engine.footprint(2, 1) === null)
  decideTwice(story)
  assert.is(story.at(0).core.counts.fast, 0)
})

/** 0 and 1 go on without 2, and keep checkpoints instead of their journals. */
function without2(cluster: Cluster, names: readonly string[]): void {
  for (const id of [0, 1]) {
    cluster.replica(id).core.linkDown(2)
    cluster.replica(2).core.linkDown(id)
  }
  for (const name of names) {
    cluster.replica(0).propose(batch(name, 'a'))
    cluster.deliverAll(({ from, to }) => from !== 2 && to !== 2)
    cluster.messages = []
  }
  for (const id of [0, 1]) {
    cluster.replica(id).checkpoint().write()
    cluster.replica(id).trim()
  }
  cluster.linkAll()
  pass(cluster, 500)
  assert.ok(cluster.replica(2).core.peersWithCheckpoint.length > 0)
}

each('a checkpoint that was begun before a second install does not make that durable', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
  const [giver, , replica] = cluster.replicas
  if (giver === undefined || replica === undefined) throw new Error('there are three')
  without2(cluster, ['p', 'q'])
  replica.install(giver)
  const first = replica.checkpoint()
  const image = replica.core.image()
  image.release()
  first.write()
  without2(cluster, ['r', 's'])
  replica.install(giver)
  replica.core.settled(image.head)
  assert.ok(replica.core.unsettled)
  cluster.replica(1).propose(batch('z', 'a'))
  pass(cluster, 2000)
  // What it announced it has again after a crash, and installs what it had not.
  cluster.crash(2)
  cluster.restart(2)
  pass(cluster, 2000)
  replica.install(giver)
  pass(cluster, 2000)
  assert.equal(replica.executed.at(-1), 'z')
})

each('two replicas whose journals are gone tell each other what they both have the batch of', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
  const [a, b] = cluster.replicas
  if (a === undefined || b === undefined) throw new Error('there are three')
  cluster.crash(2)
  a.propose(batch('w', 'k'))
  b.propose(batch('x', 'l'))
  cluster.deliverAll(({ message }) => message.type === preAccept || message.type === preAcceptOk)
  assert.equal([a.executed, b.executed], [['w'], ['x']])
  cluster.messages = []
  a.core.linkDown(1)
  b.core.linkDown(0)
  for (const replica of [a, b]) {
    replica.checkpoint().write()
    replica.trim()
  }
  cluster.linkAll()
  cluster.run(() => [a, b].every(({ executed }) => executed.length === 2), 5000)
  assert.equal([a.core.peersWithCheckpoint, b.core.peersWithCheckpoint], [[], []])
})

each('what is open when a checkpoint takes the place of the journal is told as long as its batch is known', (maker) => {
  const cluster = new Cluster({ replicas: 3, makeEngine: maker.make })
  const [a, b] = cluster.replicas
  if (a === undefined || b === undefined) throw new Error('there are three')
  cluster.crash(2)
  a.propose(batch('w', 'k'))
  cluster.deliverAll(({ message }) => message.type === preAccept)
  a.checkpoint().write()
  a.trim()
  cluster.deliverAll(({ message }) => message.type === preAcceptOk)
  assert.equal(a.executed, ['w'])
  cluster.messages = []
  cluster.run(() => b.executed.length === 1, 5000)
})

test.run()
