import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Replicas } from '../support/replicas.ts'
import { ask, codeOf } from './ask.ts'

const test = suite('HTTP sessions')
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

test('repetitions that are under way at the same time are done once', async () => {
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
  assert.is(late.status, 409)
  assert.is(codeOf(late), 'session_expired')
})

test('request numbers too far beyond the acknowledged one are refused', async () => {
  const far = await increment(0, inSession('far', 2 ** 20 + 1))
  assert.is(far.status, 429)
  assert.is(codeOf(far), 'busy')
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
