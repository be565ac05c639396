import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/client/index.ts'
import { describe } from '../chaos/campaign.ts'
import { playGrowth } from '../chaos/growth.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { ChangingCluster, membersAt } from './changing-cluster.ts'
import { LiveCluster, until } from './cluster.ts'
import { load } from './load.ts'

const test = suite('live cluster, changes of the members')

const seed = freshSeed()

test('one member becomes three and five, loses two, replaces one, shrinks to three, under faults', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-growth-'))
  try {
    await ChangingCluster.use(async (cluster) => {
      const options = { random: new Random(seed), name: 'growth', folder, say: console.log }
      const round = await playGrowth(cluster, options)
      console.log(`seed ${seed}: ${describe(round)}`)
      assert.ok(round.operations > 100 && round.increments > 10, 'hardly anything was done')
      volume('operations while members change', round.operations)
    })
  } catch (error) {
    ;(error as Error).message += `\n(seed ${seed})`
    throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('who stays away for too long is removed, and comes back by its old command line as a new member', () =>
  LiveCluster.use({ flags: ['--held-limit-bytes', '100000'] }, async (cluster) => {
    const client = await connect(cluster.urls(0).slice(0, 2))
    let ended = false
    const tally = load(
      client,
      4,
      (c, n) => c.put(`k${n % 100}`, `${n}`),
      () => ended,
    )
    await cluster.stop(2, 'SIGKILL')
    const idsAt = async (id: number) => (await membersAt(cluster.url(id))).members.map((member) => member.id)
    await until('it is removed', 60_000, async () => (await idsAt(0)).join() === '0,1')
    const isToldAt1 = async () => (await membersAt(cluster.url(1))).mayReturn.join() === '2'
    await until('the other one says so', 20_000, isToldAt1)
    cluster.start(2)
    await until('it is a new member', 20_000, async () => (await idsAt(0)).join() === '0,1,3')
    await until('it is ready', 20_000, () => cluster.isReady(2))
    await cluster.stop(2, 'SIGTERM')
    cluster.start(2)
    await until('it is ready again', 20_000, () => cluster.isReady(2))
    ended = true
    await tally
    await cluster.converged()
    assert.equal([(await cluster.status(2)).id, await idsAt(2)], [3, [0, 1, 3]])
    assert.equal((await membersAt(cluster.url(2))).mayReturn, [])
    await client.close()
  }))

test.run()
