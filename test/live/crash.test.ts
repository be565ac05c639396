import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect } from '../../src/client/index.ts'
import { Links } from '../chaos/links.ts'
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

/** How long an instance of the victim is open at the survivors before the victim is killed. */
const OPEN_MS = 200

test('one of three is killed under load: the others go on, its commands end, it comes back (scenario 19)', () =>
  withLinks(async (cluster, links) => {
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
    await leaveOpen(cluster, links)
    await cluster.stop(2, 'SIGKILL')
    links.heal()
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

async function withLinks(body: (cluster: LiveCluster, links: Links) => Promise<void>): Promise<void> {
  const links = new Links()
  try {
    await LiveCluster.use({ via: links.via }, (cluster) => body(cluster, links))
  } finally {
    await links.close()
  }
}

/**
 * Resolves when both survivors know an instance of the victim that is not committed, and cannot be while the victim
 * lives: it hears no answers. So both have to recover it.
 */
async function leaveOpen(cluster: LiveCluster, links: Links): Promise<void> {
  for (const id of [0, 1]) links.cut(id, 2)
  // Under load the victim proposes by itself; this makes it certain. Its outcome is unknown to whoever asked.
  void fetch(`${cluster.url(2)}/kv/open`, { method: 'PUT', body: '' }).catch(() => {})
  await until('the survivors know an open instance of the victim', 20_000, async () => {
    const before = performance.now()
    for (const id of [0, 1]) if (!(await isAnswered(`${cluster.url(id)}/kv/aside`))) return false
    const elapsedMs = performance.now() - before
    const survivors = [await cluster.status(0), await cluster.status(1)]
    // The survivors commit on. What has been open for longer than that takes is none of theirs.
    return survivors.every(({ oldestUncommittedMs }) => oldestUncommittedMs > elapsedMs + OPEN_MS)
  })
}

/** Whether a put that conflicts with nothing else is done within a moment. */
async function isAnswered(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: 'PUT', body: '', signal: AbortSignal.timeout(500) })).ok
  } catch {
    return false
  }
}

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
