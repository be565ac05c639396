import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Replicas } from '../support/replicas.ts'
import { ask, codeOf } from './ask.ts'

const test = suite('HTTP without a quorum')

test('a lone replica of three answers client work with 503 at once, and holds nothing', async () => {
  const replicas = await Replicas.open({ open: [1] })
  try {
    const url = replicas.url(1)
    const requests = [
      ['GET', '/kv/a'],
      ['GET', '/kv/a?consistency=stale'],
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
      assert.ok(answered.text.includes('no quorum'))
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

test('what was taken before the quorum was lost is 504 after the request timeout', async () => {
  const replicas = await Replicas.open({ requestTimeoutMs: 600, valves: true })
  try {
    const before = performance.now()
    replicas.cutOff(0)
    const answered = await ask(replicas.url(0), 'PUT', '/kv/a', 'x')
    assert.is(answered.status, 504)
    assert.is(codeOf(answered), 'timeout')
    const took = performance.now() - before
    assert.ok(took >= 590 && took < 3000, `answered after ${took} ms`)
    const later = await ask(replicas.url(0), 'PUT', '/kv/a', 'x')
    assert.is(later.status, 503)
  } finally {
    await replicas.close()
  }
})

test('more than can wait is 429: certainly not done', async () => {
  const replicas = await Replicas.open({ requestTimeoutMs: 600, valves: true })
  try {
    replicas.cutOff(0)
    const value = Buffer.alloc(1 << 20, 7)
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, i) => ask(replicas.url(0), 'PUT', `/kv/${i}`, value)),
    )
    const statuses = new Set(answers.map(({ status }) => status))
    assert.ok(statuses.has(504), `taken: ${[...statuses]}`)
    const refused = answers.filter(({ status }) => status === 429)
    assert.ok(refused.length > 0, `refused: ${[...statuses]}`)
    for (const answered of refused) assert.is(codeOf(answered), 'busy')
  } finally {
    await replicas.close()
  }
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
      assert.is((await ask(replicas.url(1), 'GET', `/kv/${i}`)).status, status === 204 ? 200 : 404)
    }
  } finally {
    await replicas.close()
  }
})

test.run()
