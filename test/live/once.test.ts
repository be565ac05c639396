import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect } from '../../src/client/index.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster, until } from './cluster.ts'
import { load } from './load.ts'

const test = suite('live cluster, exactly once')

/** `EPAXOS_INCREMENTS=10000` runs the full number in both tests. */
const INCREMENTS = Number(process.env.EPAXOS_INCREMENTS ?? 0)

interface Outcome {
  readonly counter: number
  readonly answered: number
  readonly refused: number
  readonly unknown: number
}

/** Three clients at three replicas increment one key, while a replica is killed and started again. */
async function increments(cluster: LiveCluster, each: number, outstanding: number, session: boolean): Promise<Outcome> {
  const options = { session, requestTimeoutMs: session ? 60_000 : 3000 }
  const clients = await Promise.all(cluster.ids.map((id) => connect(cluster.urls(id), options)))
  const started = [0, 0, 0]
  const call = (c: number) => (client: Client, n: number) => {
    started[c] = n + 1
    return client.increment('counter')
  }
  const loads = clients.map((client, c) => load(client, outstanding, call(c), (n) => n >= each))
  await until('a third is in progress', 120_000, async () => (started[1] as number) >= each / 3)
  await cluster.stop(1, 'SIGKILL')
  await until('two thirds are in progress', 120_000, async () => (started[0] as number) >= (2 * each) / 3)
  cluster.start(1)
  const tallies = await Promise.all(loads)
  await cluster.allReady()
  await cluster.converged()
  const reader = await connect(cluster.urls(2))
  const counter = Number(await reader.get('counter'))
  await Promise.all([reader, ...clients].map((client) => client.close()))
  const sum = (of: 'answered' | 'refused' | 'unknown') => tallies.reduce((n, tally) => n + tally[of], 0)
  return { counter, answered: sum('answered'), refused: sum('refused'), unknown: sum('unknown') }
}

for (const [outstanding, usual] of [
  [1, 400],
  [16, 6000],
] as const) {
  const each = INCREMENTS || usual
  test(`3 sessions, ${each} increments each, ${outstanding} open, through a crash: exactly all (scenario 14, 15)`, () =>
    LiveCluster.use({}, async (cluster) => {
      const outcome = await increments(cluster, each, outstanding, true)
      assert.equal(outcome, { counter: 3 * each, answered: 3 * each, refused: 0, unknown: 0 })
      volume('live increments', outcome.counter)
    }))
}

test('without sessions the counter is between the answered and the answered plus unknown (scenario 26)', () =>
  LiveCluster.use({}, async (cluster) => {
    const { counter, answered, unknown } = await increments(cluster, 2000, 16, false)
    const within = counter >= answered && counter <= answered + unknown
    assert.ok(within, `${answered} ≤ ${counter} ≤ ${answered} + ${unknown}`)
    volume('live increments', counter)
  }))

test.run()
