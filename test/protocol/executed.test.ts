import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DurablyExecuted } from '../../src/protocol/durably.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { engineMakers } from '../support/engine-makers.ts'

const test = suite('executed')

/** What the replica announces in its next heartbeat. */
function announced(cluster: Cluster, id: number): readonly number[] {
  cluster.nowMs += DEFAULT_TIMING.heartbeatMs
  cluster.replica(id).tick()
  const [heartbeat] = cluster.find({ from: id, type: MessageType.heartbeat })
  assert.ok(heartbeat?.message.type === MessageType.heartbeat)
  for (const sent of cluster.find({ from: id, type: MessageType.heartbeat })) cluster.drop(sent)
  return heartbeat.message.executed
}

for (const { kind, make } of engineMakers) {
  test(`a heartbeat announces what has executed when its COM is durable, not before (${kind})`, () => {
    const cluster = new Cluster({ replicas: 3, makeEngine: make, autoSync: false })
    const [proposer, follower] = [cluster.replica(0), cluster.replica(1)]
    proposer.propose(batch('γ', 'a'))
    for (let round = 0; round < 4; round++) {
      proposer.sync()
      if (proposer.executed.length === 0) follower.sync()
      cluster.deliverAll(({ from, to, message }) => from + to === 1 && message.type !== MessageType.heartbeat)
    }
    assert.equal(follower.executed, ['γ'])
    assert.ok(follower.unsynced > 0)
    assert.equal(announced(cluster, 1), [0, 0, 0])
    follower.sync()
    assert.equal(announced(cluster, 1), [1, 0, 0])
    assert.equal(announced(cluster, 0), [1, 0, 0])
  })
}

test('what is announced contains what it depends on: it rises in the order of execution', () => {
  const durably = new DurablyExecuted(2)
  durably.executed(0, 1, 3)
  durably.executed(1, 1, 1)
  durably.durable(1)
  assert.equal(durably.set.vector, [0, 0], '1.1 is durable, and may depend on 0.1')
  durably.durable(2)
  assert.equal(durably.set.vector, [0, 0])
  durably.durable(3)
  assert.equal(durably.set.vector, [1, 1])
  durably.executed(0, 2, 2)
  assert.equal(durably.set.vector, [2, 1], 'durable before it executed')
})

test.run()
