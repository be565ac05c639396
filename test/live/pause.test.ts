import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/client/index.ts'
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
}

test('a replica that was stopped and goes on never answers a read from the past (scenario 27)', () =>
  LiveCluster.use({}, async (cluster) => {
    const read = async (consistency: string): Promise<Read> => {
      const response = await fetch(`${cluster.url(0)}/kv/k?consistency=${consistency}`)
      return { status: response.status, value: Number(await response.text()) }
    }
    const writer = await connect(cluster.urls(1))
    let last = 0
    let stale = 0
    for (const writes of WRITES) {
      await writer.put('k', `${++last}`)
      // Their connections stay open: the next reads have arrived when it wakes.
      await Promise.all(Array.from({ length: 2 * READS }, () => read('linearizable')))
      cluster.signal(0, 'SIGSTOP')
      for (let n = 0; n < writes; n++) await writer.put('k', `${++last}`)
      const reads = Array.from({ length: READS }, () => read('linearizable'))
      const staleReads = Array.from({ length: READS }, () => read('stale'))
      // Until their requests have left this process.
      await pause(SENT_MS)
      cluster.signal(0, 'SIGCONT')
      for (const { status, value } of await Promise.all(reads)) {
        if (status !== 200) assert.ok(status === 503 || status === 504, `status ${status}`)
        else assert.is(value, last)
        volume('reads of a replica that was stopped', 1)
      }
      stale += (await Promise.all(staleReads)).filter(({ status, value }) => status === 200 && value < last).length
      await cluster.allReady()
    }
    assert.ok(stale > 0, 'it was asked before it had caught up')
    volume('stale reads that were from the past', stale)
    await writer.close()
  }))

test.run()
