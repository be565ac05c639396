import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, type CommandError, Connection, connect } from '../../src/client/index.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'
import { Valve } from '../support/valve.ts'

const test = suite('Client and the wrong cluster')

/** Two clusters of one replica each: A advertises an address at which, on the client's side, B runs. */
let a: Replicas
let b: Replicas

test.before(async () => {
  b = await Replicas.open({ count: 1 })
  a = await Replicas.open({ count: 1, advertise: [b.url(0)] })
})
test.after(async () => {
  await a.close()
  await b.close()
})

async function rejection(call: Promise<unknown>): Promise<CommandError> {
  try {
    await call
  } catch (error) {
    return error as CommandError
  }
  throw new Error('it did not reject')
}

/** What B executed. */
function doneByB(): number {
  return b.replica(0).status().counts.commands
}

/** Puts until the link is known to be gone: none of the puts may reach B. */
async function putsAfterTheCut(client: Client): Promise<CommandError[]> {
  const errors: CommandError[] = []
  for (let i = 0; i < 3; i++) errors.push(await rejection(client.put(`k${i}`, 'for A')))
  return errors
}

test('a client never follows a learned address into another cluster', async () => {
  const before = doneByB()
  const valve = await Valve.open(a.port(0))
  const client = await connect(`http://127.0.0.1:${valve.port}`, { requestTimeoutMs: 1000 })
  await client.put('k', 'v')
  await valve.close()
  const errors = await putsAfterTheCut(client)
  assert.equal(
    errors.map(({ code }) => code),
    ['timeout', 'timeout', 'timeout'],
  )
  assert.is(errors.at(-1)?.outcome, 'refused')
  assert.is(doneByB(), before)
  await client.close()
})

test('where all given addresses lead to another cluster, calls fail at once, as refused', async () => {
  const before = doneByB()
  const first = await Replicas.open({ count: 1 })
  const { port: firstPort } = first.served[0]!.server
  const client = await connect([`http://127.0.0.1:${firstPort}`, b.url(0)], { learn: false })
  await client.put('k', 'v')
  await first.close()
  const other = await Replicas.open({ count: 1, clientPorts: [firstPort] })
  const error = await rejection(client.put('k', 'w'))
  assert.equal([error.code, error.outcome], ['foreign_cluster', 'refused'])
  assert.is(other.replica(0).status().counts.commands, 0)
  assert.is(doneByB(), before)
  await client.close()
  await other.close()
})

test('a client that knows its cluster meets no other one, and the replica refuses as well', async () => {
  const first = await connect(a.url(0), { learn: false })
  const { clusterId } = first
  await first.close()
  const error = await rejection(connect(b.url(0), { clusterId }))
  assert.is(error.code, 'foreign_cluster')
  assert.is((await rejection(Connection.open(b.url(0), { clusterId }))).code, 'foreign_cluster')
  const known = await connect([b.url(0), a.url(0)], { clusterId, learn: false })
  await known.put('mine', 'v')
  assert.is(await known.get('mine'), 'v')
  await known.close()
})

test('a cluster that is not founded has no name yet: no request is sent to it', async () => {
  const replicas = await Replicas.open({ open: [0] })
  const refusal = await rejection(connect(replicas.url(0)))
  assert.is(refusal.code, 'not_ready')
  assert.match(refusal.message, /not founded/)
  await Promise.all([replicas.start(1), replicas.start(2)])
  await replicas.ready()
  const client = await connect(replicas.url(0))
  await client.put('k', 'v')
  assert.ok(client.clusterId.length >= 32)
  await client.close()
  await replicas.close()
})

test('a client that must not learn uses the given addresses only', async () => {
  const replicas = await Replicas.open()
  await until(() => replicas.replica(2).clientUrls.every((url) => url !== ''), 'addresses learned')
  const client = await connect(replicas.url(2), { learn: false, requestTimeoutMs: 500 })
  await client.put('k', 'v')
  await replicas.stop(2)
  assert.is((await rejection(client.get('k'))).code, 'timeout')
  await client.close()
  await replicas.close()
})

test.run()
