import * as assert from 'uvu/assert'
import { encodeExpire } from '../../src/execution/groups.ts'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { ask, codeOf } from './ask.ts'

const test = serverSuite('HTTP sessions')
let replicas: Replicas

test.before(async () => {
  replicas = await Replicas.open()
})
test.after(() => replicas.close())

function inSession(session: string, request: number, acknowledged?: number): Record<string, string> {
  const headers = { 'Epaxos-Session': session, 'Epaxos-Request': String(request) }
  return acknowledged === undefined ? headers : { ...headers, 'Epaxos-Acknowledged': String(acknowledged) }
}

const increment = (id: number, headers: Record<string, string>) =>
  ask(replicas.url(id), 'POST', '/kv/n/increment', '', headers)

test('a repeated write is done once, and answered as the first time, at whichever replica (scenario 15)', async () => {
  for (const id of [0, 1, 2, 0]) assert.is((await increment(id, inSession('s', 1))).text, '1')
  assert.is((await increment(1, inSession('s', 2))).text, '2')
  assert.is((await increment(2, inSession('s', 1))).text, '1')
})

test('repetitions that are in flight at the same time are done once', async () => {
  const answers = await Promise.all([0, 1, 2, 0, 1, 2].map((id) => increment(id, inSession('together', 1))))
  assert.is(new Set(answers.map(({ text }) => text)).size, 1)
})

test('every kind of write takes a session', async () => {
  const put = () => ask(replicas.url(0), 'PUT', '/kv/a', 'x', inSession('kinds', 1))
  const remove = (id: number) => ask(replicas.url(id), 'DELETE', '/kv/a', '', inSession('kinds', 2))
  const body = JSON.stringify({ then: [{ increment: 'kinds' }] })
  const transact = (id: number) => ask(replicas.url(id), 'POST', '/transaction', body, inSession('kinds', 3))
  assert.is((await put()).status, 204)
  assert.is((await remove(0)).status, 204)
  assert.is((await remove(1)).status, 204, 'the second is the first one again')
  const first = (await transact(1)).text
  assert.is((await transact(2)).text, first)
  assert.is((await ask(replicas.url(0), 'GET', '/kv/kinds')).text, '1')
})

test('what was acknowledged is not kept, and not done again', async () => {
  await increment(0, inSession('ack', 1))
  await increment(0, inSession('ack', 2, 1))
  const late = await increment(1, inSession('ack', 1))
  assert.is(late.status, 504, 'it was done before')
  assert.is(codeOf(late), 'session_expired')
})

test('a request that was done is never told as refused when its session has ended', async () => {
  const body = JSON.stringify({ then: [{ increment: 'ended' }] })
  const transact = () => ask(replicas.url(0), 'POST', '/transaction', body, inSession('ended', 1))
  assert.is((await transact()).status, 200)
  await new Promise((resolve) => replicas.replica(1).submit(encodeExpire('ended'), resolve))
  const again = await transact()
  assert.is(again.status, 504)
  assert.is(codeOf(again), 'session_expired')
  assert.is((await ask(replicas.url(0), 'GET', '/kv/ended')).text, '1')
})

test('a request number too far beyond the acknowledged one is unknown: a copy of it may be done later', async () => {
  const put = (request: number) => ask(replicas.url(0), 'PUT', '/kv/far', 'x', inSession('far', request))
  const far = await put(2 ** 20 + 2)
  assert.is(far.status, 504)
  assert.is(codeOf(far), 'busy')
  assert.is((await ask(replicas.url(0), 'GET', '/kv/far')).status, 404)
  assert.is((await ask(replicas.url(1), 'PUT', '/kv/near', 'x', inSession('far', 6, 5))).status, 204)
  assert.is((await put(2 ** 20 + 2)).status, 204, 'the copy is done')
})

test('without a session there is none: a repeat applies twice', async () => {
  const first = Number((await increment(0, {})).text)
  assert.is(Number((await increment(0, {})).text), first + 1)
})

test('headers that do not belong together are 400', async () => {
  const wrong: Record<string, string>[] = [
    { 'Epaxos-Session': 's' },
    { 'Epaxos-Request': '1' },
    { 'Epaxos-Acknowledged': '1' },
    inSession('x'.repeat(65), 1),
    inSession('with blank', 1),
    inSession('s', 0),
    inSession('s', -1),
    inSession('s', 1.5),
    inSession('s', 2 ** 53),
    inSession('s', 5, 5),
    { ...inSession('s', 5), 'Epaxos-Acknowledged': 'x' },
    { ...inSession('s', 5), 'Epaxos-Request': '05' },
  ]
  for (const headers of wrong) {
    const answered = await increment(0, headers)
    assert.is(answered.status, 400, JSON.stringify(headers))
    assert.is(codeOf(answered), 'malformed')
  }
})

test.run()
