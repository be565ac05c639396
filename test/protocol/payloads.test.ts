import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { engineMakers } from '../support/engine-makers.ts'
import type { TestReplica } from '../support/test-replica.ts'

/** A batch leaves memory once it has executed: only here if it can be read back, everywhere if it cannot. */
const test = suite('payloads in memory')

const INSTANCES = 20

function held({ core }: TestReplica, rows: number): number {
  let count = 0
  for (let row = 0; row < rows; row++) {
    for (let slot = 1; slot <= INSTANCES; slot++) if (core.instance(row, slot)?.batch) count++
  }
  return count
}

function proposeAll(cluster: Cluster): void {
  for (let i = 0; i < INSTANCES; i++) {
    for (const replica of cluster.replicas) if (replica.up) replica.propose(batch(`${replica.id}:${i}`, 'k'))
  }
}

for (const { kind, make } of engineMakers) {
  for (const replicas of [1, 2, 3]) {
    test(`with a journal they leave when they have executed, of ${replicas} (${kind})`, () => {
      const cluster = new Cluster({ replicas, makeEngine: make })
      proposeAll(cluster)
      cluster.run(() => cluster.replicas.every(({ executed }) => executed.length === replicas * INSTANCES), 5000)
      for (const replica of cluster.replicas) assert.is(held(replica, replicas), 0)
    })

    test(`without one they leave when all have executed them, of ${replicas} (${kind})`, () => {
      const cluster = new Cluster({ replicas, makeEngine: make, memory: true })
      proposeAll(cluster)
      cluster.run(() => cluster.replicas.every((replica) => held(replica, replicas) === 0), 5000)
      for (const { executed } of cluster.replicas) assert.is(executed.length, replicas * INSTANCES)
    })
  }

  test(`without one they stay while a member has not executed them (${kind})`, () => {
    const cluster = new Cluster({ replicas: 3, makeEngine: make, memory: true })
    cluster.crash(2)
    proposeAll(cluster)
    cluster.run(() => cluster.replica(0).executed.length === 2 * INSTANCES, 5000)
    const end = cluster.nowMs + 1000
    cluster.run(() => cluster.nowMs >= end, 2000)
    assert.is(held(cluster.replica(0), 3), 2 * INSTANCES)
  })
}

test.run()
