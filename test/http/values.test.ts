import * as assert from 'uvu/assert'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { ask, atOnce, codeOf, statusOf } from './ask.ts'

const test = serverSuite('HTTP values')
let replicas: Replicas
const url = (id = 0) => replicas.url(id)

test.before(async () => {
  replicas = await Replicas.open()
})
test.after(() => replicas.close())

test('what is put at one replica is read at each, as the same bytes', async () => {
  const value = Uint8Array.from({ length: 256 }, (_, i) => i)
  const put = await ask(url(0), 'PUT', '/kv/bytes', value)
  assert.is(put.status, 204)
  assert.is(put.body.length, 0)
  for (const id of [0, 1, 2]) {
    const got = await ask(url(id), 'GET', '/kv/bytes')
    assert.is(got.status, 200)
    assert.is(got.headers['content-type'], 'application/octet-stream')
    assert.equal(new Uint8Array(got.body), value)
  }
})

test('a key that is not there is 404, for GET and for DELETE', async () => {
  assert.is(codeOf(await ask(url(), 'GET', '/kv/none')), 'not_found')
  assert.is((await ask(url(), 'GET', '/kv/none')).status, 404)
  assert.is((await ask(url(), 'DELETE', '/kv/none')).status, 404)
})

test('a key is deleted once', async () => {
  await ask(url(), 'PUT', '/kv/gone', 'x')
  assert.is((await ask(url(1), 'DELETE', '/kv/gone')).status, 204)
  assert.is((await ask(url(2), 'DELETE', '/kv/gone')).status, 404)
  assert.is((await ask(url(2), 'GET', '/kv/gone')).status, 404)
})

test('an empty value is a value', async () => {
  assert.is((await ask(url(), 'PUT', '/kv/empty')).status, 204)
  const got = await ask(url(), 'GET', '/kv/empty')
  assert.is(got.status, 200)
  assert.is(got.body.length, 0)
})

test('HEAD says what GET says, without the body', async () => {
  await ask(url(), 'PUT', '/kv/head', '12345')
  const head = await ask(url(), 'HEAD', '/kv/head')
  assert.is(head.status, 200)
  assert.is(head.headers['content-length'], '5')
  assert.is(head.body.length, 0)
  assert.is((await ask(url(), 'HEAD', '/kv/none')).status, 404)
})

test('keys are the bytes behind their percent codes, whatever these are', async () => {
  for (const path of ['%00%FF%FE', 'a%2Fb', '%25', 'increment', 'a', '%C3%A9', "!$&'()*+,;=:@-._~"]) {
    assert.is((await ask(url(), 'PUT', `/kv/${path}`, path)).status, 204, path)
    assert.is((await ask(url(1), 'GET', `/kv/${path}`)).text, path)
  }
  assert.is((await ask(url(), 'GET', '/kv/a%2fb')).text, 'a%2Fb')
  assert.is((await ask(url(), 'GET', '/kv/%61')).text, 'a')
})

test('slashes belong to the key, and dots are taken as they are', async () => {
  const paths = ['a/b', 'a//b', '/', '//', 'a/', '/a', '.', '..', '../..', './a', 'a/./b/../c', 'a/increment']
  for (const path of paths) assert.is((await ask(url(), 'PUT', `/kv/${path}`, path)).status, 204, path)
  for (const path of paths) {
    assert.is((await ask(url(1), 'GET', `/kv/${path}`)).text, path)
    assert.is((await ask(url(2), 'GET', `/kv/${path.replaceAll('/', '%2F').replaceAll('.', '%2E')}`)).text, path)
  }
  for (const path of paths) assert.is((await ask(url(), 'DELETE', `/kv/${path}`)).status, 204, path)
})

test('a POST increments what stands before its last /increment', async () => {
  for (const [path, key] of [
    ['x/y/increment', 'x/y'],
    ['x/increment/increment', 'x/increment'],
    ['x%2Fz/increment', 'x/z'],
    ['x//increment', 'x/'],
  ]) {
    assert.is((await ask(url(), 'POST', `/kv/${path}`)).text, '1', path)
    assert.is((await ask(url(), 'GET', `/kv/${key}`)).text, '1', key)
  }
})

test('what is no key is 400 or 413', async () => {
  for (const path of ['/kv/', '/kv/%', '/kv/%1', '/kv/%zz', '/kv/a/%', '/kv//increment']) {
    const answered = await ask(url(), path.endsWith('increment') ? 'POST' : 'GET', path)
    assert.is(answered.status, 400, path)
    assert.is(codeOf(answered), 'malformed')
  }
  assert.is((await ask(url(), 'PUT', `/kv/${'k'.repeat(512)}`, 'x')).status, 204)
  assert.is((await ask(url(), 'PUT', `/kv/${'%6B'.repeat(512)}`, 'x')).status, 204)
  const long = await ask(url(), 'PUT', `/kv/${'k'.repeat(513)}`, 'x')
  assert.is(long.status, 413)
  assert.is(codeOf(long), 'too_large')
})

test('a value has up to 1 MiB', async () => {
  const value = Buffer.alloc(1 << 20, 7)
  assert.is((await ask(url(), 'PUT', '/kv/large', value)).status, 204)
  const got = await ask(url(1), 'GET', '/kv/large')
  assert.ok(got.body.equals(value))
  const announced = await ask(url(), 'PUT', '/kv/large', Buffer.alloc((1 << 20) + 1))
  assert.is(announced.status, 413)
  assert.is(codeOf(announced), 'too_large')
})

test('other paths are 404, other methods 405 with those that are allowed', async () => {
  for (const path of ['/', '/kv', '/kvx/a', '//kv/a', '/KV/a', '/statusx', '/client']) {
    assert.is((await ask(url(), 'GET', path)).status, 404, path)
  }
  const cases = [
    ['POST', '/kv/a', 'GET, HEAD, PUT, DELETE'],
    ['PATCH', '/kv/a', 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS', '/kv/a', 'GET, HEAD, PUT, DELETE'],
    ['POST', '/kv/increment', 'GET, HEAD, PUT, DELETE'],
    ['GET', '/transaction', 'POST'],
    ['POST', '/status', 'GET, HEAD'],
    ['DELETE', '/readyz', 'GET, HEAD'],
  ] as const
  for (const [method, path, allowed] of cases) {
    const answered = await ask(url(), method, path)
    assert.is(answered.status, 405, `${method} ${path}`)
    assert.is(answered.headers.allow, allowed)
    assert.is(codeOf(answered), 'method_not_allowed')
  }
})

test('counters count at all replicas, by 1 or by a step', async () => {
  const increment = (id: number, body?: string) => ask(url(id), 'POST', '/kv/counter/increment', body)
  const first = await increment(0)
  assert.is(first.status, 200)
  assert.is(first.text, '1')
  assert.is((await increment(1, '41')).text, '42')
  assert.is((await increment(2, '-50\n')).text, '-8')
  assert.is((await ask(url(0), 'GET', '/kv/counter')).text, '-8')
  await ask(url(0), 'PUT', '/kv/counter', '100')
  assert.is((await increment(1)).text, '101')
})

test('what is no counter, or would leave the range, is 409 and stays', async () => {
  await ask(url(), 'PUT', '/kv/text', 'one')
  const text = await ask(url(), 'POST', '/kv/text/increment')
  assert.is(text.status, 409)
  assert.is(codeOf(text), 'not_counter')
  await ask(url(), 'PUT', '/kv/most', '9007199254740991')
  assert.is((await ask(url(), 'POST', '/kv/most/increment')).status, 409)
  assert.is((await ask(url(), 'GET', '/kv/most')).text, '9007199254740991')
  for (const step of ['1.5', 'x', '+1', '9007199254740992', '1 2', '0x10', '1'.repeat(65)]) {
    const status = step.length > 64 ? 413 : 400
    assert.is((await ask(url(), 'POST', '/kv/most/increment', step)).status, status, step)
  }
})

test('stale reads are answered from local state, and catch up', async () => {
  await ask(url(0), 'PUT', '/kv/stale', 'new')
  const before = replicas.replica(1).status().committed
  let text = ''
  const deadline = performance.now() + 5000
  while (text !== 'new' && performance.now() < deadline) {
    text = (await ask(url(1), 'GET', '/kv/stale?consistency=stale')).text
  }
  assert.is(text, 'new')
  assert.is((await ask(url(1), 'GET', '/kv/none?consistency=stale')).status, 404)
  assert.equal(replicas.replica(1).status().committed[1], before[1], 'nothing went through the log')
  assert.is((await ask(url(1), 'GET', '/kv/stale?consistency=linearizable')).text, 'new')
})

test('a linearizable read makes no instance; consistency=log makes one', async () => {
  await ask(url(0), 'PUT', '/kv/read', 'x')
  const before = replicas.replica(1).status().committed[1] as number
  assert.is((await ask(url(1), 'GET', '/kv/read')).text, 'x')
  assert.is((await ask(url(1), 'GET', '/kv/none?consistency=linearizable')).status, 404)
  assert.is(replicas.replica(1).status().committed[1], before)
  assert.is((await ask(url(1), 'GET', '/kv/read?consistency=log')).text, 'x')
  assert.is(replicas.replica(1).status().committed[1], before + 1)
})

test('a min read sees what its token names, at any replica', async () => {
  for (let i = 0; i < 20; i++) {
    const written = await ask(url(i % 3), 'PUT', '/kv/min', `${i}`)
    const token = written.headers['epaxos-token'] as string
    const read = await ask(url((i + 1) % 3), 'GET', '/kv/min?consistency=min', '', { 'Epaxos-Token': token })
    assert.equal([read.status, read.text], [200, `${i}`])
    const again = { 'Epaxos-Token': read.headers['epaxos-token'] as string }
    assert.is((await ask(url((i + 2) % 3), 'GET', '/kv/min?consistency=min', '', again)).text, `${i}`)
  }
})

test('a token that is wrong, missing or not wanted is 400; for one from the future the time ends', async () => {
  const { headers } = await ask(url(0), 'PUT', '/kv/token', 'x')
  const token = headers['epaxos-token'] as string
  const min = (given: string) => ask(url(0), 'GET', '/kv/token?consistency=min', '', { 'Epaxos-Token': given })
  assert.is((await ask(url(0), 'GET', '/kv/token?consistency=min')).status, 400)
  assert.is((await ask(url(0), 'GET', '/kv/token', '', { 'Epaxos-Token': token })).status, 400)
  assert.is((await ask(url(0), 'PUT', '/kv/token', 'x', { 'Epaxos-Token': token })).status, 400)
  for (const bad of ['x', `${token}.1`, token.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))]) {
    assert.is((await min(bad)).status, 400, bad)
  }
  const future = token.replace(/\d+$/, (slot) => `${Number(slot) + 1000}`)
  assert.is((await min(future)).status, 504)
})

test('a stale read says how old it may be', async () => {
  await ask(url(0), 'PUT', '/kv/age', 'x')
  let age = 'unknown'
  for (let i = 0; i < 100 && !(Number(age) < 1000); i++) {
    age = (await ask(url(1), 'GET', '/kv/age?consistency=stale')).headers['epaxos-age-ms'] as string
  }
  assert.ok(Number(age) >= 0 && Number(age) < 1000, age)
  assert.is((await ask(url(1), 'GET', '/kv/age')).headers['epaxos-age-ms'], undefined)
})

test('any other query is 400, and so is a stale write', async () => {
  for (const query of ['consistency=none', 'consistency', 'x=1', 'consistency=stale&x=1']) {
    assert.is((await ask(url(), 'GET', `/kv/a?${query}`)).status, 400, query)
  }
  assert.is((await ask(url(), 'PUT', '/kv/a?consistency=stale', 'x')).status, 400)
  assert.is((await ask(url(), 'DELETE', '/kv/a?consistency=stale')).status, 400)
})

test('the status says what the surface promises', async () => {
  await until(
    () =>
      replicas
        .replica(2)
        .status()
        .replicas.every(({ client }) => client !== ''),
    'addresses learned',
  )
  const status = JSON.parse((await ask(url(2), 'GET', '/status')).text)
  assert.is(status.id, 2)
  assert.is(status.cluster, 'local')
  assert.is(status.epoch, 0)
  assert.equal(
    status.replicas,
    replicas.urls.map((client, id) => ({ id, client, up: true })),
  )
  for (const name of ['committed', 'executed']) assert.is(status[name].length, 3)
  for (const name of ['fast', 'slow', 'recovered', 'noop']) assert.type(status.counts[name], 'number')
  for (const name of ['oldestUncommittedMs', 'journalBytes']) assert.type(status[name], 'number')
  assert.is(status.durability, 'memory')
  assert.ok(['wasm', 'reference'].includes(status.engine))
  assert.ok(status.stateHash.length >= 16)
  assert.is((await ask(url(), 'GET', '/livez')).status, 200)
  assert.is((await ask(url(), 'GET', '/readyz')).status, 200)
})

test('a read that has no room beside others is too much at a time, not unknown', async () => {
  const url = replicas.url(0)
  assert.is((await ask(url, 'PUT', '/kv/crowded', 'x'.repeat(1 << 20))).status, 204)
  const seen = new Set<number>()
  // The operating system decides how many come in one turn.
  for (let round = 0; round < 5 && !seen.has(429); round++) {
    const reads = new Array<Buffer>(100).fill(
      Buffer.from('GET /kv/crowded?consistency=log HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    )
    for (const answer of await atOnce(replicas.port(0), reads)) seen.add(statusOf(answer))
  }
  assert.equal([...seen].sort(), [200, 429])
})

test.run()
