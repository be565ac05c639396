import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { Clients, describe } from './lines/clients.ts'
import { LineCluster } from './lines/cluster.ts'
import { faultsOf } from './lines/judge.ts'

const test = suite('live cluster, fail-over')

const seed = freshSeed()
const random = new Random(seed)
const REPLICAS = [0, 1, 2]

/** Of each proposer. */
const COMMANDS = 1024

/** Kills a replica at once; its clients send what they have in flight to another one. */
async function killUnderLoad(cluster: LineCluster, clients: Clients, victim: number): Promise<void> {
  const killed = cluster.kill(victim)
  clients.move(victim, random.pick(REPLICAS.filter((id) => id !== victim)))
  await killed
}

for (const conflicts of [false, true]) {
  for (const proposers of [[0], REPLICAS]) {
    const load = describe(proposers.length, conflicts)
    test(`${load}: one replica is killed, the proposers go on (scenario 19)`, () =>
      LineCluster.use(async (cluster) => {
        const victim = random.pick(proposers.length === 1 ? [1, 2] : REPLICAS)
        const total = COMMANDS * proposers.length
        const clients = new Clients(cluster, { proposers, commands: COMMANDS, conflicts, seed })
        await clients.answered(total / 3)
        const [killedAt, before] = [performance.now(), clients.history.length]
        await killUnderLoad(cluster, clients, victim)
        await clients.done()
        await cluster.allExecuted()
        assert.ok(before < total, 'it was killed under load')
        assert.is(clients.history.length, total)
        assert.equal(faultsOf(cluster.transcripts(), clients.history), [], `seed ${seed}`)
        const others = proposers.filter((id) => id !== victim)
        const waits = clients.waits(others, killedAt)
        const [median, longest] = [waits[waits.length >> 1] as number, waits.at(-1) as number]
        console.log(
          `${load}, seed ${seed}: ${victim} killed after ${before}, ` +
            `then median ${median.toFixed(1)} ms, longest ${longest.toFixed(0)} ms`,
        )
        assert.ok(median < DEFAULT_TIMING.patienceMs, `seed ${seed}: the median of waits is ${median} ms: a timeout's`)
        assert.ok(longest < 3000, `seed ${seed}: somebody waited for ${longest} ms`)
        volume('commands of live proposers', total)
      }))
  }
}

test('kill -9 of one of three: it comes back, catches up, and all have executed one order (scenario 14)', () =>
  LineCluster.use(async (cluster) => {
    const victim = random.pick(REPLICAS)
    const load = { proposers: REPLICAS, commands: Number.POSITIVE_INFINITY, conflicts: true, pauseMs: 20, seed }
    const clients = new Clients(cluster, load)
    await clients.answered(500)
    await killUnderLoad(cluster, clients, victim)
    const killedAfter = clients.history.length
    await clients.answered(killedAfter + 500)
    await cluster.start(victim)
    clients.move(victim, victim)
    const backAfter = clients.history.length
    await clients.answered(backAfter + 500)
    clients.stop()
    await clients.done()
    await cluster.allExecuted()
    console.log(
      `seed ${seed}: ${victim} killed after ${killedAfter}, back after ${backAfter} of ${clients.history.length}`,
    )
    const transcripts = cluster.transcripts()
    assert.ok(transcripts.every(({ isWhole }) => isWhole))
    assert.equal(faultsOf(transcripts, clients.history), [], `seed ${seed}`)
    volume('commands of live proposers', clients.history.length)
  }))

test.run()
