import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect } from '../../src/client/index.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster, until } from './cluster.ts'
import { load, type Tally } from './load.ts'

const test = suite('live cluster, crashes')

/**
 * Clients at each replica, and the calls that each has in flight: enough for some instance to be in flight at any
 * moment.
 */
const CLIENTS = 6
const OUTSTANDING = 8

test('one of three is killed under load: the others go on, its commands end, it comes back (scenario 19)', () =>
  LiveCluster.use({}, async (cluster) => {
    const clients = await connectAll(cluster)
    let ended = false
    const loads = clients.map((client) =>
      load(
        client,
        OUTSTANDING,
        (c, n) => c.put('hot', `${n}`),
        () => ended,
      ),
    )
    const busy = async () => ((await cluster.status(2)).committed[2] as number) > 200
    await until('the victim coordinates under load', 20_000, busy)
    // The others are stopped for a moment, so that the victim certainly has something in flight when it dies.
    for (const id of [0, 1]) cluster.signal(id, 'SIGSTOP')
    await pause(100)
    await cluster.stop(2, 'SIGKILL')
    for (const id of [0, 1]) cluster.signal(id, 'SIGCONT')
    await pause(2500)
    const survivors = [await cluster.status(0), await cluster.status(1)]
    cluster.start(2)
    await until('the victim is ready again', 20_000, () => cluster.isReady(2))
    await pause(500)
    ended = true
    const tallies = await Promise.all(loads)
    await cluster.converged()
    const longest = (of: readonly Tally[]) => Math.max(...of.map((t) => t.longestMs))
    const waits = [longest(tallies.slice(0, 2 * CLIENTS)), longest(tallies.slice(2 * CLIENTS))]
    console.log(`longest waits: ${waits.map((ms) => ms.toFixed(0)).join(' ms; of the clients of the victim: ')} ms`)
    for (const tally of tallies) assert.ok(tally.answered > 0, 'every client got answers')
    for (const wait of waits) assert.ok(wait < 3000, 'nobody waits for 3 s')
    for (const { oldestUncommittedMs } of survivors) assert.ok(oldestUncommittedMs < 2000, 'nothing stays open')
    assert.ok(sum(survivors.map((s) => s.counts.recovered)) >= 1, 'what the victim left open was recovered')
    volume('live commands', sum(tallies.map((t) => t.answered)))
    await closeAll(clients)
  }))

test('all three are killed at once: every answered write is there afterwards (scenario 14)', () =>
  LiveCluster.use({}, async (cluster) => {
    const clients = await connectAll(cluster)
    const answered: string[] = []
    let ended = false
    const loads = clients.map((client, c) =>
      load(
        client,
        OUTSTANDING,
        async (_, n) => {
          await client.put(`${c}:${n}`, `${n}`)
          answered.push(`${c}:${n}`)
        },
        () => ended,
      ),
    )
    await pause(1500)
    ended = true
    await Promise.all(cluster.ids.map((id) => cluster.stop(id, 'SIGKILL')))
    await Promise.all(loads)
    await closeAll(clients)
    for (const id of cluster.ids) cluster.start(id)
    await cluster.allReady()
    await cluster.converged()
    const reader = await connect(cluster.urls())
    const values = await Promise.all(answered.map((key) => reader.get(key)))
    const lost = answered.filter((key, i) => values[i] !== key.split(':')[1])
    assert.ok(answered.length > 0)
    assert.equal(lost, [])
    volume('live commands', answered.length)
    await reader.close()
  }))

function connectAll(cluster: LiveCluster): Promise<Client[]> {
  const urls = cluster.ids.flatMap((id) => Array.from({ length: CLIENTS }, () => cluster.urls(id)))
  return Promise.all(urls.map((list) => connect(list, { requestTimeoutMs: 4000 })))
}

async function closeAll(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}

test.run()
