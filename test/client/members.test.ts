import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocketServer } from 'ws'
import { Connection, connect } from '../../src/client/index.ts'
import { encodeChallenge, encodeWelcome } from '../../src/codec/client.ts'
import { frame } from '../../src/codec/frame.ts'
import { FORMAT_VERSION, NONCE_BYTES } from '../../src/codec/limits.ts'
import type { EpaxosError } from '../../src/errors.ts'
import { type ClientServer, serveClients } from '../../src/http/index.ts'
import { type FakeMember, FakeRequests, fakeMember } from '../support/fake-requests.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const test = suite('a client and changes of the members')

/** A fake replica and its client port. */
class Place {
  readonly fake: FakeRequests
  readonly #server: ClientServer

  static async open(id: number): Promise<Place> {
    const fake = new FakeRequests(id)
    return new Place(fake, await serveClients(fake, { host: '127.0.0.1', port: 0 }))
  }

  private constructor(fake: FakeRequests, server: ClientServer) {
    this.fake = fake
    this.#server = server
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  get member(): FakeMember {
    return fakeMember(this.fake.id as number, this.url)
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

async function rejection(call: Promise<unknown>): Promise<EpaxosError> {
  try {
    await call
  } catch (error) {
    return error as EpaxosError
  }
  throw new Error('it did not reject')
}

let places: Place[]
let a: Place
let b: Place
let c: Place

test.before.each(async () => {
  places = await Promise.all([0, 1, 2].map((id) => Place.open(id)))
  ;[a, b, c] = places as [Place, Place, Place]
})
test.after.each(async () => {
  await Promise.all(places.map((place) => place.close()))
})

test('it learns the URL of a new member over its link, and forgets that of a removed one', async () => {
  a.fake.enter(0, [a.member, b.member])
  const client = await connect(a.url, { session: false })
  await client.put('k', 'v')
  a.fake.enter(1, [a.member, c.member])
  await client.put('k', 'v')
  await a.close()
  // A read is asked again elsewhere.
  await client.execute(new Uint8Array(0), { reads: true })
  assert.equal([a.fake.done, b.fake.done, c.fake.done], [2, 0, 1])
  await client.close()
})

test('an idle link gets the URLs too, and only when they have changed', async () => {
  a.fake.enter(0, [a.member, fakeMember(1)])
  const connection = await Connection.open(a.url)
  assert.equal([connection.epoch, connection.clientUrls], [0, [a.url, '']])
  let changes = 0
  connection.onUrls = () => changes++
  a.fake.turn()
  a.fake.enter(0, [a.member, b.member])
  a.fake.turn()
  await until(() => changes > 0, 'URLs')
  a.fake.enter(4, [c.member, a.member])
  await until(() => changes > 1, 'URLs')
  assert.equal([connection.epoch, connection.clientUrls, connection.id], [4, [c.url, a.url], 0])
  assert.is(changes, 2)
  connection.close()
})

test('a removed replica answers what is in flight, and everything after that goes elsewhere', async () => {
  a.fake.enter(0, [a.member, b.member])
  const client = await connect(a.url, { session: false })
  const connection = await Connection.open(a.url)
  a.fake.waits = true
  const put = client.put('k', 'v')
  await until(() => a.fake.waiting.length > 0, 'the put')
  a.fake.enter(1, [c.member], true)
  await until(() => connection.leaving, 'the last welcome')
  assert.equal([connection.epoch, connection.clientUrls], [1, [c.url]])
  const next = client.put('k', 'w')
  for (const answer of a.fake.waiting) answer()
  await Promise.all([put, next])
  assert.equal([a.fake.done, a.fake.refused, b.fake.done, c.fake.done], [1, 0, 0, 1])
  connection.close()
  await client.close()
})

test('what a removed replica refuses is done elsewhere', async () => {
  a.fake.enter(0, [a.member, b.member])
  const client = await connect(a.url, { session: false, learn: false, requestTimeoutMs: 300 })
  a.fake.notReady = 'this replica was removed from the cluster'
  const error = await rejection(client.put('k', 'v'))
  assert.equal([error.code, error.message], ['not_ready', 'this replica was removed from the cluster'])
  await client.close()
  a.fake.notReady = null
  const learning = await connect(a.url, { session: false })
  a.fake.notReady = 'this replica was removed from the cluster'
  await learning.put('k', 'v')
  assert.equal([a.fake.done, b.fake.done], [0, 1])
  await learning.close()
})

test('a removed replica admits nobody, and the next one is tried', async () => {
  a.fake.enter(1, [b.member], true)
  const error = await rejection(Connection.open(a.url))
  assert.equal([error.code, error.message], ['not_ready', 'this replica was removed from the cluster'])
  const client = await connect([a.url, b.url], { session: false })
  await client.put('k', 'v')
  assert.is(b.fake.done, 1)
  await client.close()
})

test('a replica that becomes another one is left', async () => {
  for (const wrong of [{ id: 1 }, { clusterId: 'c2' }]) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    await once(server, 'listening')
    const first = { version: FORMAT_VERSION, id: 0, clusterId: 'c1', clientUrls: [], epoch: 0, leaving: false }
    server.on('connection', (socket) => {
      socket.send(frame([encodeChallenge({ nonce: new Uint8Array(NONCE_BYTES), needsSecret: false })]))
      socket.once('message', () => {
        socket.send(frame([encodeWelcome(first)]))
        socket.once('message', () => socket.send(frame([encodeWelcome({ ...first, ...wrong })])))
      })
    })
    const connection = await Connection.open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const answered = new Promise((resolve) => connection.send(new Uint8Array(0), resolve))
    assert.equal(await answered, {
      ...{ outcome: 'unknown', code: 'closed', message: 'the replica has become another one' },
    })
    for (const socket of server.clients) socket.terminate()
    server.close()
  }
})

test('of real replicas: a client learns the URLs of those that start after it', async () => {
  const replicas = await Replicas.open({ durability: 'fsync' })
  try {
    await replicas.stop(0)
    await replicas.start(0)
    await replicas.stop(2)
    await replicas.ready()
    const connection = await Connection.open(replicas.url(0))
    assert.is(connection.clientUrls[2], '')
    await replicas.start(2)
    await until(() => connection.clientUrls[2] === replicas.url(2), 'its URL')
    connection.close()
  } finally {
    await replicas.close()
  }
})

test.run()
