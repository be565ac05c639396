import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CommandError, Connection, connect, encodeGroup, ResultReader } from '../../src/client/index.ts'
import { fromLatin1 } from '../../src/execution/bytes.ts'
import { encodeExpire, GroupKind, GroupReader } from '../../src/execution/groups.ts'
import { getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const test = suite('Client')
let replicas: Replicas

test.before(async () => {
  replicas = await Replicas.open()
})
test.after(() => replicas.close())

/** The `CommandError` that a call rejects with. */
async function rejection(call: Promise<unknown>): Promise<CommandError> {
  try {
    await call
  } catch (error) {
    return error as CommandError
  }
  throw new Error('it did not reject')
}

test('every command does what it says, through every replica', async () => {
  const clients = await Promise.all([0, 1, 2].map((id) => connect(replicas.url(id))))
  const [a, b, c] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]]
  await a.put('key', 'välue')
  assert.is(await b.get('key'), 'välue')
  assert.is(await c.get('none'), null)
  assert.is(await c.getBytes('none'), null)
  await b.put(Uint8Array.of(0, 255), Uint8Array.of(254, 0))
  assert.equal(await c.getBytes(Uint8Array.of(0, 255)), Uint8Array.of(254, 0))
  assert.is((await rejection(c.get(Uint8Array.of(0, 255)))).code, 'malformed')
  assert.is(await a.delete('key'), true)
  assert.is(await b.delete('key'), false)
  assert.is(await a.increment('n'), 1)
  assert.is(await b.increment('n', -5), -4)
  assert.is(await c.get('n'), '-4')
  assert.is(await a.compareAndSet('c', null, '1'), true)
  assert.is(await b.compareAndSet('c', null, '2'), false)
  assert.is(await b.compareAndSet('c', '1', '2'), true)
  assert.is(await c.compareAndSet('c', '1', '3'), false)
  assert.is(await c.get('c'), '2')
  await Promise.all(clients.map((client) => client.close()))
})

test('a transaction gives a result for each operation of its branch', async () => {
  const client = await connect(replicas.urls)
  const then = [
    { put: 'a', value: Uint8Array.of(255) },
    { get: 'a' },
    { get: 'none' },
    { increment: 'count', by: 2 },
    { delete: 'a' },
    { delete: 'a' },
  ]
  const answer = await client.transaction({ if: [{ key: 'a', absent: true }], then, else: [{ get: 'count' }] })
  const results = [
    { ok: true },
    { value: Uint8Array.of(255) },
    { value: null },
    { number: 2 },
    { deleted: true },
    { deleted: false },
  ]
  assert.equal(answer, { succeeded: true, results })
  const other = await client.transaction({ if: [{ key: 'a', present: true }], then, else: [{ get: 'count' }] })
  assert.equal(other, { succeeded: false, results: [{ value: new TextEncoder().encode('2') }] })
  await client.close()
})

test('a session that the replicas closed is followed by another one, and what was sent once is done', async () => {
  const replica = replicas.replica(0)
  const submit = replica.submit.bind(replica)
  const names = new Set<string>()
  replica.submit = (group, respond) => {
    const reader = new GroupReader()
    reader.open(group, 0)
    if (reader.kind === GroupKind.commands && reader.hasSession) names.add(reader.session())
    submit(group, respond)
  }
  const client = await connect(replicas.url(0), { learn: false })
  assert.is(await client.increment('renewed'), 1)
  await new Promise((resolve) => submit(encodeExpire(fromLatin1([...names][0] as string)), resolve))
  const after = await Promise.all(Array.from({ length: 20 }, () => client.increment('renewed')))
  assert.equal(
    after.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 2),
  )
  assert.is(names.size, 2)
  replica.submit = submit
  await client.close()
})

test('what cannot be done rejects as refused, with a code', async () => {
  const client = await connect(replicas.urls)
  await client.put('text', 'one')
  const cases: [string, () => Promise<unknown>][] = [
    ['not_counter', () => client.increment('text')],
    ['not_counter', () => client.transaction({ then: [{ put: 'half', value: 'x' }, { increment: 'text' }] })],
    ['bad_command', () => client.put('', 'x')],
    ['bad_command', () => client.increment('n', 1.5)],
    ['bad_command', () => client.transaction({ if: [{ key: '', absent: true }] })],
    ['too_large', () => client.put('k'.repeat(1025), 'x')],
    ['too_large', () => client.put('k', new Uint8Array((1 << 20) + 1))],
    ['too_large', () => client.execute(new Uint8Array(4 << 20))],
  ]
  for (const [code, call] of cases) {
    const error = await rejection(call())
    assert.is(error.code, code)
    assert.is(error.outcome, 'refused')
  }
  assert.is(await client.get('half'), null)
  await client.close()
})

test('one bad command among others fails alone', async () => {
  const client = await connect(replicas.urls)
  const calls: Promise<unknown>[] = Array.from({ length: 50 }, () => client.increment('good'))
  calls.splice(17, 0, client.execute(Uint8Array.of(0)))
  calls.splice(33, 0, client.execute(Uint8Array.of(99, 1)))
  const settled = await Promise.allSettled(calls)
  const failed = settled.flatMap((result, i) => (result.status === 'rejected' ? [i] : []))
  assert.equal(failed, [17, 33])
  assert.is(await client.get('good'), '50')
  await client.close()
})

test('commands of one turn travel as one group', async () => {
  const client = await connect(replicas.url(0))
  await client.put('warm', 'x')
  const before = replicas.replica(0).status()
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.put(`k${i}`, 'v')))
  const after = replicas.replica(0).status()
  assert.is(after.counts.commands - before.counts.commands, 1000)
  assert.ok(after.committed[0]! - before.committed[0]! <= 2, 'in one instance, or two')
  await client.close()
})

test('calls need not wait for each other, and each gets its own answer', async () => {
  const client = await connect(replicas.urls)
  const numbers = await Promise.all(Array.from({ length: 5000 }, () => client.increment('pipelined')))
  assert.equal(
    numbers.sort((a, b) => a - b),
    Array.from({ length: 5000 }, (_, i) => i + 1),
  )
  await client.close()
})

test('values that do not fit beside the others of their turn are fetched alone', async () => {
  const client = await connect(replicas.urls)
  const value = new Uint8Array(1 << 20).fill(7)
  await client.put('large', value)
  const values = await Promise.all(Array.from({ length: 20 }, () => client.getBytes('large')))
  for (const got of values) assert.is(Buffer.compare(got!, value), 0)
  const transactions = Array.from({ length: 12 }, (_, i) => ({ then: [{ get: 'large' }, { increment: `with ${i}` }] }))
  const answers = await Promise.all(transactions.map((transaction) => client.transaction(transaction)))
  for (const { results } of answers) assert.equal(results[1], { number: 1 }, 'done once, though asked for twice')
  await client.close()
})

test('more than one instance can answer is fetched all the same', async () => {
  const db = await connect(replicas.urls)
  await db.put('large', new Uint8Array(1 << 20))
  const values = await Promise.all(Array.from({ length: 80 }, () => db.getBytes('large')))
  for (const value of values) assert.is(value?.length, 1 << 20)
  await db.close()
})

test('a read of one key is answered without the log, and log asks for it', async () => {
  const client = await connect(replicas.url(1))
  await client.put('read', 'x')
  const slots = () => replicas.replica(1).status().committed[1] as number
  const before = slots()
  const values = await Promise.all([client.get('read'), client.get('none'), client.getBytes('read')])
  assert.equal(
    values,
    ['x', null, Buffer.from('x')].map((v) => (v instanceof Buffer ? new Uint8Array(v) : v)),
  )
  assert.equal(await client.execute(getCommand('none'), { reads: true }), await client.execute(getCommand('none')))
  assert.is(slots(), before + 1, 'what is not said to read goes through the log')
  assert.is(await client.get('read', { consistency: 'log' }), 'x')
  assert.is(slots(), before + 2)
  await client.transaction({ then: [{ get: 'read' }, { get: 'none' }] })
  assert.is(slots(), before + 3)
  await client.close()
})

test('a min read sees all that a client has written and read, at any replica and in any client', async () => {
  const [a, b, c] = await Promise.all([0, 1, 2].map((id) => connect(replicas.url(id), { learn: false })))
  assert.ok(a && b && c)
  assert.is(a.token, '')
  assert.is(await a.get('none', { consistency: 'min' }), null)
  for (let i = 0; i < 50; i++) {
    await a.put('min', `${i}`)
    assert.is(await b.get('min', { consistency: 'min', token: a.token }), `${i}`)
    // What b has read, c sees with the token of b.
    const { value, token, ageMs } = await c.read('min', { consistency: 'min', token: b.token })
    assert.equal([Buffer.from(value as Uint8Array).toString(), ageMs], [`${i}`, null])
    assert.is(await a.get('min', { consistency: 'min', token }), `${i}`)
    assert.is(await a.get('min', { consistency: 'min' }), `${i}`)
  }
  const wrong = a.get('min', { consistency: 'min', token: 'x' })
  assert.is((await rejection(wrong)).code, 'malformed')
  await Promise.all([a, b, c].map((client) => client.close()))
})

test('a stale read says how old it may be', async () => {
  const client = await connect(replicas.url(1))
  await until(() => replicas.replica(1).ageMs !== null, 'the age to be known')
  const { ageMs } = await client.read('age', { consistency: 'stale' })
  assert.ok(ageMs !== null && ageMs >= 0 && ageMs < 5000, `${ageMs}`)
  assert.is((await client.read('age')).ageMs, null)
  await client.close()
})

test('a stale read is answered without the log', async () => {
  const client = await connect(replicas.url(1))
  await client.put('stale', 'x')
  const before = replicas.replica(1).status().committed[1]
  assert.is(await client.get('stale', { consistency: 'stale' }), 'x')
  assert.is(await client.get('none', { consistency: 'stale' }), null)
  assert.is((await rejection(client.execute(putCommand('a', 'b'), { consistency: 'stale' }))).code, 'bad_command')
  assert.is(replicas.replica(1).status().committed[1], before)
  await client.close()
})

test('a named session goes on where it was left', async () => {
  const first = await connect(replicas.url(0), { session: 'mine' })
  assert.is(await first.increment('named'), 1)
  assert.is(await first.increment('named'), 2)
  await first.close()
  const again = await connect(replicas.url(1), { session: 'mine', firstRequest: 2 })
  assert.is(await again.increment('named'), 2, 'request 2 was done before')
  assert.is(await again.increment('named'), 3)
  await again.close()
})

test('closing waits for what is in flight, and ends the session', async () => {
  const client = await connect(replicas.urls)
  const calls = Array.from({ length: 100 }, () => client.increment('closing'))
  await client.close()
  assert.equal((await Promise.all(calls)).length, 100)
  assert.is((await rejection(client.get('closing'))).code, 'closed')
  await client.close()
})

test('a wrong secret, a wrong URL and nobody there are distinguished', async () => {
  const guarded = await Replicas.open({ count: 1, secret: 'open sesame' })
  try {
    const client = await connect(guarded.urls, { secret: 'open sesame' })
    await client.put('a', 'x')
    await client.close()
    assert.is((await rejection(connect(guarded.urls))).code, 'unauthorized')
    assert.is((await rejection(connect(guarded.urls, { secret: 'open barley' }))).code, 'unauthorized')
    const url = guarded.url(0)
    await guarded.stop(0)
    assert.is((await rejection(connect(url))).code, 'unreachable')
  } finally {
    await guarded.close()
  }
  assert.is((await rejection(connect('nonsense'))).code, 'configuration')
  assert.is((await rejection(connect([]))).code, 'configuration')
  assert.is((await rejection(connect('ws://127.0.0.1:1', { session: '' }))).code, 'configuration')
  assert.is((await rejection(connect('ws://127.0.0.1:1', { requestTimeoutMs: 0 }))).code, 'configuration')
})

test('a single link sends groups and gives their results', async () => {
  const link = await Connection.open(replicas.url(2))
  assert.is(link.id, 2)
  const results: number[][] = []
  const send = (count: number) => {
    const commands = Array.from({ length: count }, () => incrementCommand('linked'))
    link.send(encodeGroup(commands), (answer) => {
      if (answer.outcome !== 'done') throw new Error(answer.message)
      const reader = new ResultReader(answer.results)
      const numbers: number[] = []
      while (reader.next()) numbers.push(Number(Buffer.from(reader.result.subarray(1)).toString()))
      results.push(numbers)
    })
  }
  send(3)
  send(2)
  assert.is(link.outstanding, 2)
  await until(() => link.outstanding === 0, 'both answers')
  assert.equal(results, [
    [1, 2, 3],
    [4, 5],
  ])
  let answer = ''
  link.send(encodeGroup([getCommand('linked')]), ({ outcome }) => {
    answer = outcome
  })
  link.close()
  assert.is(answer, 'unknown')
  assert.throws(() => link.send(encodeGroup([]), () => {}), /closed/)
})

test('closing twice is closing once', async () => {
  const client = await connect(replicas.url(0))
  const put = client.put('closing', 'v')
  await Promise.all([client.close(), client.close()])
  await put
})

test.run()
