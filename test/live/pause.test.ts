import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CommandError, connect } from '../../src/client/index.ts'
import { volume } from '../support/volumes.ts'
import { LiveCluster } from './cluster.ts'

const SENT_MS = 50

const test = suite('live cluster, a paused replica')

/** Writes that the others answer while it is stopped: for less and for more time than they need to suspect it. */
const WRITES = [5, 20, 100, 20, 100]
const READS = 6

interface Read {
  readonly status: number
  readonly value: number
  /** Of a stale read, in ms, or `unknown`. */
  readonly age: string | null
}

test('a replica that was stopped and goes on never answers a read from the past (scenario 27)', () =>
  LiveCluster.use({}, async (cluster) => {
    const read = async (consistency: string): Promise<Read> => {
      const response = await fetch(`${cluster.url(0)}/kv/k?consistency=${consistency}`)
      const age = response.headers.get('epaxos-age-ms')
      return { status: response.status, value: Number(await response.text()), age }
    }
    const writer = await connect(cluster.urls(1))
    const reader = await connect(cluster.urls(0).slice(0, 1), { learn: false, requestTimeoutMs: 4000 })
    /** When each value was answered. */
    const answeredAt: number[] = [0]
    const write = async (): Promise<void> => {
      await writer.put('k', `${answeredAt.length}`)
      answeredAt.push(performance.now())
    }
    let old = 0
    for (const writes of WRITES) {
      await write()
      // Their connections stay open: the next reads have arrived when it wakes.
      await Promise.all(Array.from({ length: 2 * READS }, () => read('linearizable')))
      await reader.get('k')
      cluster.signal(0, 'SIGSTOP')
      for (let n = 0; n < writes; n++) await write()
      const last = answeredAt.length - 1
      const reads = Array.from({ length: READS }, () => read('linearizable'))
      const staleReads = Array.from({ length: READS }, () => read('stale'))
      const minReads = Array.from({ length: READS }, () => reader.get('k', { consistency: 'min', token: writer.token }))
      const own = Array.from({ length: READS }, () => reader.get('k'))
      // Until their requests have left this process.
      await pause(SENT_MS)
      const continuedAt = performance.now()
      cluster.signal(0, 'SIGCONT')
      for (const { status, value } of await Promise.all(reads)) {
        if (status !== 200) assert.ok(status === 503 || status === 504, `status ${status}`)
        else assert.is(value, last)
        volume('reads of a replica that was stopped', 1)
      }
      for (const outcome of await Promise.allSettled([...own, ...minReads])) {
        if (outcome.status === 'fulfilled') assert.is(Number(outcome.value), last)
        else assert.is((outcome.reason as CommandError).outcome, 'refused')
        volume('reads of a replica that was stopped', 1)
      }
      for (const { status, value, age } of await Promise.all(staleReads)) {
        // An unknown age promises nothing.
        if (status !== 200 || value === last || age === 'unknown') continue
        old++
        const missed = answeredAt[value + 1] as number
        assert.ok(
          continuedAt - missed <= Number(age),
          `${age} ms old, and misses what is ${continuedAt - missed} ms old`,
        )
      }
      await cluster.allReady()
    }
    assert.ok(old > 0, 'it was asked before it had caught up')
    volume('stale reads that were from the past', old)
    await Promise.all([writer.close(), reader.close()])
  }))

test.run()
