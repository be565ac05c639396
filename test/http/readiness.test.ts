import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { type CommandError, connect } from '../../src/client/index.ts'
import { readResult } from '../../src/machine/command-results.ts'
import { getCommand } from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { Replica } from '../../src/node/replica.ts'
import { freePorts } from '../support/ports.ts'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { ask, atOnce, codeOf, statusOf } from './ask.ts'

const test = serverSuite('HTTP without a quorum')

test('a lone replica of three answers client work with 503 at once, and holds nothing (scenario 24)', async () => {
  const replicas = await Replicas.open({ open: [1] })
  try {
    const url = replicas.url(1)
    const requests = [
      ['GET', '/kv/a'],
      ['PUT', '/kv/a'],
      ['DELETE', '/kv/a'],
      ['POST', '/kv/a/increment'],
      ['POST', '/transaction'],
      ['GET', '/readyz'],
    ] as const
    const before = performance.now()
    for (const [method, path] of requests) {
      const answered = await ask(url, method, path)
      assert.is(answered.status, 503, `${method} ${path}`)
      assert.is(codeOf(answered), 'not_ready')
      assert.ok(answered.text.includes('founding: waits for replica 0'))
    }
    assert.ok(performance.now() - before < 1000)
    assert.is((await ask(url, 'GET', '/livez')).status, 200)
    const status = JSON.parse((await ask(url, 'GET', '/status')).text)
    assert.is(status.ready, false)
    assert.equal(
      status.replicas.map(({ up }: { up: boolean }) => up),
      [false, true, false],
    )
    await replicas.start(0)
    await replicas.start(2)
    await replicas.ready()
    assert.is((await ask(url, 'GET', '/readyz')).status, 200)
    assert.is((await ask(url, 'PUT', '/kv/a', 'x')).status, 204)
  } finally {
    await replicas.close()
  }
})

test('a stale read is answered without a quorum, over HTTP and WebSocket and by the library', async () => {
  const replicas = await Replicas.open()
  try {
    const client = await connect(replicas.url(0), { learn: false, requestTimeoutMs: 1000 })
    await client.put('k', 'v')
    await replicas.stop(1)
    await replicas.stop(2)
    const url = replicas.url(0)
    await until(() => replicas.replica(0).notReady !== null, 'the loss of the quorum')
    const stale = await ask(url, 'GET', '/kv/k?consistency=stale')
    assert.equal([stale.status, stale.text], [200, 'v'])
    assert.is((await ask(url, 'GET', '/kv/none?consistency=stale')).status, 404)
    assert.is((await ask(url, 'GET', '/kv/k')).status, 503)
    assert.is((await ask(url, 'PUT', '/kv/k?consistency=stale', 'x')).status, 503)
    assert.is(await client.get('k', { consistency: 'stale' }), 'v')
    const fresh = await connect(url, { learn: false, requestTimeoutMs: 1000 })
    const refused = fresh.put('k', 'w').catch((error) => error)
    assert.is(await fresh.get('k', { consistency: 'stale' }), 'v')
    assert.equal(Buffer.from(readResult(replicas.replica(0).readStale(getCommand('k'))).value).toString(), 'v')
    const { code, outcome } = (await refused) as CommandError
    // The deadline may come while it is being asked once more.
    assert.ok(code === 'not_ready' || code === 'timeout', code)
    assert.is(outcome, 'refused')
    await Promise.all([client.close(), fresh.close()])
  } finally {
    await replicas.close()
  }
})

test('a stale read says so while the journal is not replayed', async () => {
  const [port] = (await freePorts(1)) as [number]
  const peers = [`127.0.0.1:${port}`]
  const replica = await Replica.create({ id: 0, peers, machine: new KeyValueStore(), durability: 'memory' })
  assert.match(replica.notReadable ?? '', /journal is being replayed/)
  assert.throws(() => replica.readStale(getCommand('k')), /journal is being replayed/)
  await replica.close()
})

test('what was taken before the quorum was lost is 504 after the request timeout (scenario 24, 26)', async () => {
  const replicas = await Replicas.open({ requestTimeoutMs: 600, valves: true })
  try {
    const seen: { status: number; code: string; tookMs: number }[] = []
    const write = async () => {
      const before = performance.now()
      const answered = await ask(replicas.url(0), 'PUT', '/kv/a', 'x')
      const code = answered.status === 204 ? '' : codeOf(answered)
      seen.push({ status: answered.status, code, tookMs: performance.now() - before })
      return answered.status
    }
    const writer = async () => {
      while ((await write()) === 204);
    }
    const writers = [writer(), writer(), writer()]
    await until(() => seen.length >= 3, 'writes that are done')
    replicas.cutOff(0)
    await Promise.all(writers)
    const unknown = seen.filter(({ status }) => status === 504)
    assert.ok(unknown.length > 0, 'each writer had one in flight')
    for (const { code, tookMs } of unknown) {
      assert.is(code, 'timeout')
      assert.ok(tookMs >= 590 && tookMs < 3000, `answered after ${tookMs} ms`)
    }
    assert.is(await write(), 503)
  } finally {
    await replicas.close()
  }
})

test('more than can wait is 429: certainly not done', async () => {
  const statuses = new Set<number>()
  // On a slow machine the loss of the quorum may be noticed first, and everything is 503: try again.
  for (let attempt = 0; attempt < 5 && !statuses.has(429); attempt++) {
    const replicas = await Replicas.open({ requestTimeoutMs: 600, valves: true })
    try {
      const length = 1 << 20
      const head = `PUT /kv/waiting HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`
      const puts = new Array<Buffer>(48).fill(Buffer.concat([Buffer.from(head), Buffer.alloc(length, 7)]))
      for (const answer of await atOnce(replicas.port(0), puts, () => replicas.cutOff(0))) {
        statuses.add(statusOf(answer))
        if (statusOf(answer) === 429) assert.match(answer, /"code":"busy"/)
      }
    } finally {
      await replicas.close()
    }
  }
  assert.ok(statuses.has(429), `statuses ${[...statuses]}`)
  assert.not.ok(statuses.has(204))
})

test('a replica that closes answers what it took, then refuses', async () => {
  const replicas = await Replicas.open()
  try {
    const asked = Array.from({ length: 50 }, (_, i) => ask(replicas.url(0), 'PUT', `/kv/${i}`, 'x'))
    await Promise.race(asked)
    const closed = replicas.replica(0).close()
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    await closed
    assert.is((await ask(replicas.url(0), 'GET', '/kv/0')).status, 503)
    for (const [i, status] of statuses.entries()) {
      assert.ok(status === 204 || status === 503, String(status))
      const answered = await askUntilReady(replicas.url(1), `/kv/${i}`)
      assert.is(answered.status, status === 204 ? 200 : 404, answered.text)
    }
  } finally {
    await replicas.close()
  }
})

/** Asks again while it is refused: on a slow machine a replica may miss its peers for a moment. */
async function askUntilReady(url: string, path: string) {
  const deadline = performance.now() + 10_000
  for (;;) {
    const answered = await ask(url, 'GET', path)
    if (answered.status !== 503 || performance.now() > deadline) return answered
    await pause(50)
  }
}

test.run()
