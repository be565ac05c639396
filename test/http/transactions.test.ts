import * as assert from 'uvu/assert'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { ask, codeOf } from './ask.ts'

const test = serverSuite('HTTP transactions')
let replicas: Replicas
const transact = (body: unknown, id = 0) =>
  ask(replicas.url(id), 'POST', '/transaction', typeof body === 'string' ? body : JSON.stringify(body))

test.before(async () => {
  replicas = await Replicas.open()
})
test.after(() => replicas.close())

test('each operation gives its result', async () => {
  const then = [
    { put: 'a', value: 'ä' },
    { get: 'a' },
    { put: 'b', value64: '/wA=' },
    { get: 'b' },
    { get: 'none' },
    { increment: 'n' },
    { increment: 'n', by: -3 },
    { delete: 'a' },
    { delete: 'a' },
  ]
  const answered = await transact({ then })
  assert.is(answered.status, 200)
  assert.is(answered.headers['content-type'], 'application/json')
  const results = [
    { ok: true },
    { value: 'ä' },
    { ok: true },
    { value64: '/wA=' },
    { absent: true },
    { number: 1 },
    { number: -2 },
    { deleted: true },
    { deleted: false },
  ]
  assert.equal(JSON.parse(answered.text), { succeeded: true, results })
})

test('all conditions must hold, otherwise the other branch is taken', async () => {
  await ask(replicas.url(0), 'PUT', '/kv/here', 'x')
  const held = [
    { key: 'here', equals: 'x' },
    { key: 'here', equals64: 'eA==' },
    { key: 'here', present: true },
    { key: 'away', absent: true },
  ]
  const branches = { then: [{ increment: 'then' }], else: [{ increment: 'else' }] }
  const yes = await transact({ if: held, ...branches }, 1)
  assert.equal(JSON.parse(yes.text), { succeeded: true, results: [{ number: 1 }] })
  const broken = [
    { key: 'here', equals: 'y' },
    { key: 'here', absent: true },
    { key: 'away', present: true },
  ]
  for (const [i, condition] of broken.entries()) {
    const no = await transact({ if: [...held, condition], ...branches }, 2)
    assert.equal(JSON.parse(no.text), { succeeded: false, results: [{ number: i + 1 }] })
  }
  assert.is((await ask(replicas.url(0), 'GET', '/kv/then')).text, '1')
})

test('branches may be left out', async () => {
  assert.equal(JSON.parse((await transact({})).text), { succeeded: true, results: [] })
  const condition = { key: 'nothing', present: true }
  assert.equal(JSON.parse((await transact({ if: [condition] })).text), { succeeded: false, results: [] })
})

test('what cannot be done is 409, and nothing of it is', async () => {
  await transact({ then: [{ put: 'text', value: 'one' }] })
  const answered = await transact({ then: [{ put: 'half', value: 'x' }, { increment: 'text' }] })
  assert.is(answered.status, 409)
  assert.is(codeOf(answered), 'not_counter')
  assert.ok(answered.text.includes('operation 1'))
  assert.is((await ask(replicas.url(1), 'GET', '/kv/half')).status, 404)
})

test('results beyond 4 MiB are 413, and nothing is changed', async () => {
  await ask(replicas.url(0), 'PUT', '/kv/large', Buffer.alloc(1 << 20, 97))
  const gets = Array.from({ length: 5 }, () => ({ get: 'large' }))
  const answered = await transact({ then: [{ put: 'half', value: 'x' }, ...gets] })
  assert.is(answered.status, 413)
  assert.is((await ask(replicas.url(1), 'GET', '/kv/half')).status, 404)
})

test('transactions are atomic: money moved to and fro stays the same', async () => {
  await transact({
    then: [
      { put: 'left', value: '100' },
      { put: 'right', value: '0' },
    ],
  })
  const moves = Array.from({ length: 60 }, (_, i) => {
    const by = (i % 7) - 3
    return transact(
      {
        then: [
          { increment: 'left', by: -by },
          { increment: 'right', by },
        ],
      },
      i % 3,
    )
  })
  const looks = Array.from({ length: 60 }, (_, i) => transact({ then: [{ get: 'left' }, { get: 'right' }] }, i % 3))
  for (const { status } of await Promise.all(moves)) assert.is(status, 200)
  for (const { text } of await Promise.all(looks)) {
    const [left, right] = JSON.parse(text).results
    assert.is(Number(left.value) + Number(right.value), 100)
  }
})

test('what is refused names its place', async () => {
  const misspelt = { then: [{ get: 'a' }, { put: 'a', value: 1 }] }
  assert.match(JSON.parse((await transact(misspelt)).text).error.message, /^"then"\[1\]: "value" is a string$/)
  const long = { if: [{ key: 'k'.repeat(600), absent: true }] }
  assert.match(JSON.parse((await transact(long)).text).error.message, /^"if"\[0\]: a key has at most/)
  const twice = '{"then":[{"put":"a","value":"{\\"put\\":1,","value":"y"}]}'
  assert.match(JSON.parse((await transact(twice)).text).error.message, /^"value" occurs twice in one object$/)
})

test('names and values that only look like names that stand twice are taken', async () => {
  const then = [{ put: 'get', value: 'get' }, { put: '"get":1,"get"', value: '{"a":1,"a":2}\\' }, { get: 'get' }]
  assert.is((await transact({ if: [], then, else: then })).status, 200)
})

test('what is misspelt is 400', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const bodies = [
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '1e999',
    deep,
    `{"then":${deep}}`,
    '{"then":{}}',
    '{"than":[]}',
    '{"__proto__":[]}',
    '{"then":null}',
    '{"if":null}',
    '{"then":[],"then":[]}',
    '{"then":[],"\\u0074hen":[]}',
    '{"then":[{"put":"a","value":"x","value":"y"}]}',
    '{"then":[{"get":"a","get":"b"}]}',
    '{"if":[{"key":"a","key":"b","absent":true}]}',
    '{"then":[{"increment":"a","by":null}]}',
    '{"then":[{"put":"a","value64":null}]}',
    '{"then":[null]}',
    '{"then":[{}]}',
    '{"then":[{"put":"a"}]}',
    '{"then":[{"put":"a","value":1}]}',
    '{"then":[{"put":"a","value":"x","value64":"eA=="}]}',
    '{"then":[{"put":"a","value64":"eA"}]}',
    '{"then":[{"put":"a","value64":"e A=="}]}',
    '{"then":[{"put":"","value":"x"}]}',
    '{"then":[{"put":"\\ud800","value":"x"}]}',
    '{"then":[{"get":"a","delete":"a"}]}',
    '{"then":[{"get":["a"]}]}',
    '{"then":[{"increment":"a","by":1.5}]}',
    '{"then":[{"increment":"a","by":9007199254740992}]}',
    '{"then":[{"increment":"a","by":"1"}]}',
    '{"if":[{"key":"a"}]}',
    '{"if":[{"key":"a","absent":false}]}',
    '{"if":[{"key":"a","absent":true,"present":true}]}',
    '{"if":[{"key":"a","equals":null}]}',
    '{"if":[{"equals":"x"}]}',
  ]
  for (const body of bodies) {
    const answered = await transact(body)
    assert.is(answered.status, 400, body.slice(0, 80))
    assert.is(codeOf(answered), 'malformed', body.slice(0, 80))
  }
  const latin1 = await ask(replicas.url(0), 'POST', '/transaction', Buffer.from('{"then":[{"get":"\xe9"}]}', 'latin1'))
  assert.is(latin1.status, 400)
})

test('what is too large is 413', async () => {
  const many = Array.from({ length: 1025 }, () => ({ get: 'a' }))
  const cases = [
    { then: many },
    { then: [{ get: 'k'.repeat(513) }] },
    { then: [{ put: 'a', value: 'x'.repeat((1 << 20) + 1) }] },
    { then: Array.from({ length: 5 }, (_, i) => ({ put: `k${i}`, value: 'x'.repeat(1 << 20) })) },
  ]
  for (const body of cases) {
    const answered = await transact(body)
    assert.is(answered.status, 413)
    assert.is(codeOf(answered), 'too_large')
  }
})

test.run()
