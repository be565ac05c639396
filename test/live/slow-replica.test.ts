import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, connect } from '../../src/client/index.ts'
import { hasSlowDisk, slowDisk } from '../chaos/faults.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster } from './cluster.ts'

const test = suite('live cluster, one slow replica')

/** The slow replica; clients use the others. */
const SLOW = 2
/** A sync of a slow disk takes this much longer. */
const SYNC_MS = 300
/** A command that waits for a slow replica takes this much longer than usual; a busy machine costs less. */
const TOLERANCE_MS = 100

const PUTS = 150
const LANES = 4

interface Waits {
  /** Nine of ten commands wait for less. */
  readonly most: number
  readonly longest: number
}

/** The waiting times of the puts of all clients, in ms; the puts go in turn to a key of its own and to a shared key. */
async function measure(clients: readonly Client[]): Promise<Waits> {
  const waits: number[] = []
  const lane = async (client: Client, own: string) => {
    for (let n = 0; n < PUTS; n++) {
      const before = performance.now()
      await client.put(n % 2 === 0 ? own : 'hot', `${n}`)
      waits.push(performance.now() - before)
    }
  }
  await Promise.all(clients.flatMap((client, c) => Array.from({ length: LANES }, (_, i) => lane(client, `${c}.${i}`))))
  waits.sort((a, b) => a - b)
  volume('puts beside a slow replica', waits.length)
  return { most: waits[Math.floor(waits.length * 0.9)] as number, longest: waits.at(-1) as number }
}

test('a replica that is stopped, or has a slow disk, does not slow what the others coordinate (scenario 23)', () =>
  LiveCluster.use({}, async (cluster) => {
    const clients = await Promise.all([0, 1].map((id) => connect(cluster.urls(id))))
    await measure(clients)
    const usual = await measure(clients)
    const assertNotSlower = async (slow: string): Promise<void> => {
      const { most, longest } = await measure(clients)
      const [now, before, worst] = [most, usual.most, longest].map((ms) => ms.toFixed(1))
      const text = `${slow}: most wait for less than ${now} ms, usually ${before} ms, all for less than ${worst} ms`
      console.log(text)
      assert.ok(most < usual.most + TOLERANCE_MS, text)
      assert.ok(longest < 1000, text)
    }
    cluster.signal(SLOW, 'SIGSTOP')
    await assertNotSlower('stopped')
    cluster.signal(SLOW, 'SIGCONT')
    await cluster.allReady()
    if (hasSlowDisk) {
      await cluster.stop(SLOW)
      cluster.start(SLOW, slowDisk(SYNC_MS * 1000))
      await cluster.allReady()
      await assertNotSlower('slow disk')
    } else console.log('skipped: no strace here, so no disk is slow')
    await cluster.converged(20_000)
    await Promise.all(clients.map((client) => client.close()))
  }))

test.run()
