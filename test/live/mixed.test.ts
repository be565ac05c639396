import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect } from '../../src/client/index.ts'
import { testServers } from '../support/servers.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster, until } from './cluster.ts'
import { Clients } from './lines/clients.ts'
import { LineCluster } from './lines/cluster.ts'
import { faultsOf } from './lines/judge.ts'
import { load } from './load.ts'

const test = suite('live cluster, engines and syncs')

const PUTS = 1500

test('wasm, reference and wasm together end with equal state', () =>
  LiveCluster.use({ engines: ['wasm', 'reference', 'wasm'] }, async (cluster) => {
    const clients = await Promise.all(cluster.ids.map((id) => connect(cluster.urls(id))))
    const loads = clients.map((client, c) =>
      load(
        client,
        8,
        () => client.put('hot', `${c}`),
        (n) => n >= PUTS,
      ),
    )
    const tallies = await Promise.all(loads)
    await cluster.converged()
    const statuses = await Promise.all(cluster.ids.map((id) => cluster.status(id)))
    assert.equal(
      statuses.map((s) => s.engine),
      ['wasm', 'reference', 'wasm'],
    )
    for (const tally of tallies) assert.is(tally.answered, PUTS)
    volume('live commands', 3 * PUTS)
    await Promise.all(clients.map((client) => client.close()))
  }))

test('wasm, reference and wasm together execute what conflicts in one order', () =>
  LineCluster.use(
    async (cluster) => {
      const clients = new Clients(cluster, { proposers: [0, 1, 2], commands: PUTS, conflicts: true, seed: 1 })
      await clients.done()
      await cluster.allExecuted()
      assert.is(clients.history.length, 3 * PUTS)
      assert.equal(faultsOf(cluster.transcripts(), clients.history), [])
      volume('live commands', 3 * PUTS)
    },
    ['wasm', 'reference', 'wasm'],
  ))

const kinds = testServers.map(({ kind }) => kind)
if (kinds.length < 2) console.log('skipped: uWebSockets.js has no binary here, so no cluster has both servers')
else {
  test('replicas on both servers of the peer port converge under load, through a restart of each', () =>
    LiveCluster.use({ servers: ['uws', 'node', 'uws'] }, async (cluster) => {
      const clients = await Promise.all(cluster.ids.map((id) => connect(cluster.urls(id))))
      let over = false
      const loads = clients.map((client) =>
        load(
          client,
          8,
          () => client.increment('sum'),
          () => over,
        ),
      )
      for (const id of cluster.ids) {
        await cluster.stop(id)
        cluster.start(id)
        await cluster.allReady()
      }
      over = true
      const tallies = await Promise.all(loads)
      await cluster.converged()
      const statuses = await Promise.all(cluster.ids.map((id) => cluster.status(id)))
      assert.equal(
        statuses.map((status) => status.server),
        ['uws', 'node', 'uws'],
      )
      const answered = tallies.reduce((sum, tally) => sum + tally.answered, 0)
      const unknown = tallies.reduce((sum, tally) => sum + tally.unknown, 0)
      const sum = Number(await (clients[0] as Client).get('sum'))
      assert.ok(sum >= answered && sum <= answered + unknown, `${sum} for ${answered} answered, ${unknown} unknown`)
      assert.ok(answered > 500, `${answered} answered`)
      volume('live commands', answered)
      await Promise.all(clients.map((client) => client.close()))
    }))
}

const WRITES = 50

if (spawnSync('strace', ['-V']).status !== 0) console.log('skipped: no strace here, so syncs are not counted')
else {
  test('a write is synced twice by its coordinator before the answer, and once by each other replica', async () => {
    let counts: number[] = []
    const trace = (folder: string, id: number) => join(folder, `strace-${id}`)
    const before = (folder: string, id: number) => [
      'strace',
      '-D',
      '-f',
      '-c',
      '-e',
      'trace=fsync,fdatasync,msync',
      '-o',
      trace(folder, id),
    ]
    await LiveCluster.use({ before }, async (cluster) => {
      const client = await connect(cluster.urls(0))
      for (let n = 0; n < WRITES; n++) await client.put('k', `${n}`)
      await cluster.converged()
      await client.close()
      await Promise.all(cluster.ids.map((id) => cluster.stop(id, 'SIGTERM')))
      // The tracer is a separate process, which writes its table after the end of the replica.
      const tables = cluster.ids.map((id) => trace(cluster.folder, id))
      await until('the tables are written', 5000, async () => tables.every((path) => statSync(path).size > 0))
      counts = tables.map(countSyncs)
    })
    const [coordinator = 0, ...others] = counts
    assert.ok(coordinator >= 2 * WRITES, `the coordinator synced ${coordinator} times for ${WRITES} writes`)
    for (const count of others) assert.ok(count >= WRITES, `a replica synced ${count} times for ${WRITES} writes`)
  })
}

/** The calls counted by a table of `strace -c`. */
function countSyncs(path: string): number {
  let calls = 0
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const columns = line.trim().split(/\s+/)
    if (/^(fsync|fdatasync|msync)$/.test(columns.at(-1) ?? '')) calls += Number(columns[3])
  }
  return calls
}

test.run()
