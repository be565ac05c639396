import * as assert from 'uvu/assert'
import { type Client, type CommandError, connect } from '../../src/client/index.ts'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { Valve } from '../support/valve.ts'
import { volume } from '../support/volumes.ts'

const test = serverSuite('Client fail-over')

/** The outcomes of calls made one after the other, by several callers at once. */
interface Tally {
  answered: number
  unknown: number
  refused: number
  longestMs: number
}

/** Starts callers that increment until they have made `calls` together; `done` resolves with the outcomes. */
function incrementing(
  client: Client,
  key: string,
  callers: number,
  calls: number,
): { tally: Tally; done: Promise<void> } {
  const tally: Tally = { answered: 0, unknown: 0, refused: 0, longestMs: 0 }
  let left = calls
  const call = async () => {
    while (left-- > 0) {
      const before = performance.now()
      try {
        await client.increment(key)
        tally.answered++
      } catch (error) {
        tally[(error as CommandError).outcome]++
      }
      tally.longestMs = Math.max(tally.longestMs, performance.now() - before)
    }
  }
  return { tally, done: Promise.all(Array.from({ length: callers }, call)).then(() => {}) }
}

test('with sessions no increment is lost or doubled when replicas go and come back (scenario 15)', async () => {
  const replicas = await Replicas.open({ durability: 'fsync' })
  try {
    const calls = 700
    const clients = await Promise.all([0, 1, 2].map((id) => connect([replicas.url(id), ...replicas.urls])))
    const runs = clients.map((client) => incrementing(client, 'n', 16, calls))
    const answered = () => runs.reduce((sum, { tally }) => sum + tally.answered, 0)
    await until(() => answered() > 200, 'work')
    await replicas.stop(0)
    await until(() => answered() > 800, 'work with two')
    await replicas.start(0)
    await replicas.ready()
    await replicas.stop(1)
    await Promise.all(runs.map(({ done }) => done))
    for (const { tally } of runs) {
      assert.equal([tally.answered, tally.unknown, tally.refused], [calls, 0, 0])
      assert.ok(tally.longestMs < 3000, `the longest call took ${tally.longestMs} ms`)
    }
    const client = clients[1] as Client
    assert.is(await client.get('n'), String(3 * calls))
    await Promise.all(clients.map((each) => each.close()))
    volume('increments failed over', 3 * calls)
  } finally {
    await replicas.close()
  }
})

test('without a session the count lies between answered and answered + unknown (scenario 26)', async () => {
  const replicas = await Replicas.open()
  try {
    const client = await connect(replicas.urls, { session: false })
    const { tally, done } = incrementing(client, 'n', 32, 1000)
    await until(() => tally.answered > 100, 'work')
    await replicas.stop(0)
    await done
    assert.is(tally.answered + tally.unknown, 1000)
    assert.ok(tally.unknown > 0 && tally.unknown <= 32, `${tally.unknown} unknown`)
    const count = Number(await client.get('n'))
    assert.ok(count >= tally.answered && count <= tally.answered + tally.unknown)
    await client.close()
  } finally {
    await replicas.close()
  }
})

test('reads without a session are asked again elsewhere', async () => {
  const replicas = await Replicas.open()
  try {
    const client = await connect(replicas.urls, { session: false })
    await client.put('k', 'v')
    const reads: Promise<string | null>[] = []
    for (let i = 0; i < 200; i++) {
      reads.push(client.get('k', { consistency: i % 2 === 0 ? 'linearizable' : 'stale' }))
      if (i === 100) await replicas.stop(0)
    }
    const values = await Promise.all(reads)
    assert.ok(values.filter((_, i) => i % 2 === 0).every((value) => value === 'v'))
    await client.close()
  } finally {
    await replicas.close()
  }
})

test('a replica that falls silent is left within a second, with the link still open', async () => {
  const replicas = await Replicas.open()
  const valve = await Valve.open(replicas.port(0))
  try {
    const client = await connect([`http://127.0.0.1:${valve.port}`, replicas.url(1), replicas.url(2)])
    const { tally, done } = incrementing(client, 'n', 8, 400)
    await until(() => tally.answered > 50, 'work')
    valve.shut()
    await done
    assert.is(tally.answered, 400)
    assert.ok(tally.longestMs < 3000, `the longest call took ${tally.longestMs} ms`)
    assert.is(await client.get('n'), '400')
    await client.close()
  } finally {
    await valve.close()
    await replicas.close()
  }
})

test('a replica that is cut off from the others is left, though it answers', async () => {
  const replicas = await Replicas.open({ valves: true })
  try {
    const client = await connect(replicas.urls)
    const { tally, done } = incrementing(client, 'n', 8, 400)
    await until(() => tally.answered > 50, 'work')
    replicas.cutOff(0)
    await done
    assert.is(tally.answered, 400)
    assert.ok(tally.longestMs < 3000, `the longest call took ${tally.longestMs} ms`)
    assert.is(await client.get('n'), '400')
    await client.close()
  } finally {
    await replicas.close()
  }
})

test('the others are learned from the one replica that is named', async () => {
  const replicas = await Replicas.open()
  try {
    await until(() => replicas.replica(2).clientUrls.every((url) => url !== ''), 'addresses learned')
    const client = await connect(replicas.url(2))
    await client.put('k', 'v')
    await replicas.stop(2)
    assert.is(await client.get('k'), 'v')
    await client.close()
  } finally {
    await replicas.close()
  }
})

test('a replica that is not ready refuses, and the next one is asked', async () => {
  const lone = await Replicas.open({ open: [0] })
  const replicas = await Replicas.open()
  try {
    const client = await connect([lone.url(0), ...replicas.urls])
    await client.put('k', 'v')
    assert.is(await client.get('k', { consistency: 'stale' }), 'v')
    await client.close()
  } finally {
    await lone.close()
    await replicas.close()
  }
})

test('where nobody can, a call is given up at its deadline, as refused (scenario 26)', async () => {
  const lone = await Replicas.open()
  try {
    await Promise.all([lone.stop(1), lone.stop(2)])
    await until(() => lone.replica(0).notReady !== null, 'the loss of the quorum')
    const client = await connect(lone.urls.slice(0, 1), { requestTimeoutMs: 400 })
    const before = performance.now()
    const { tally, done } = incrementing(client, 'n', 4, 4)
    await done
    assert.is(tally.refused, 4)
    assert.ok(performance.now() - before >= 390)
    await assertRejects(client.get('n'), 'not_ready', 'refused')
    await lone.stop(0)
    await assertRejects(client.increment('n'), 'timeout', 'refused')
    await client.close()
  } finally {
    await lone.close()
  }
})

test('what was in flight when nobody was left is unknown (scenario 26)', async () => {
  const replicas = await Replicas.open({ valves: true })
  const valve = await Valve.open(replicas.port(0))
  try {
    const client = await connect(`http://127.0.0.1:${valve.port}`, { requestTimeoutMs: 500 })
    await client.put('k', 'v')
    valve.shut()
    await assertRejects(client.increment('n'), 'timeout', 'unknown')
    await client.close()
  } finally {
    await valve.close()
    await replicas.close()
  }
})

async function assertRejects(call: Promise<unknown>, code: string, outcome: string): Promise<void> {
  try {
    await call
  } catch (error) {
    const { code: given, outcome: ended } = error as CommandError
    assert.equal([given, ended], [code, outcome])
    return
  }
  assert.unreachable('it did not reject')
}

test.run()
