import { connect, type Socket } from 'node:net'
import * as assert from 'uvu/assert'
import { proofOf } from '../../src/client/proof.ts'
import {
  type Challenge,
  ClientMessageType,
  encodeChallenge,
  encodeHello,
  encodeRequest,
  ResponseOutcome,
  type Welcome,
} from '../../src/codec/client.ts'
import { frame } from '../../src/codec/frame.ts'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { encodeExpire, encodeGroup } from '../../src/execution/groups.ts'
import { ResultReader } from '../../src/execution/results.ts'
import { MAX_IN_FLIGHT_BYTES, MAX_UNSENT_BYTES } from '../../src/http/client-links.ts'
import { MAX_STRANGERS } from '../../src/http/server.ts'
import { getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { MAX_STRANGER_BYTES } from '../../src/transport/ws-links.ts'
import { freshSeed, Random } from '../support/random.ts'
import { Replicas } from '../support/replicas.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { ask } from './ask.ts'
import { Stranger } from './stranger.ts'

const test = serverSuite('Links of clients')
const SECRET = 'open sesame'
const NO_PROOF = new Uint8Array(0)
let replicas: Replicas
let guarded: Replicas

test.before(async () => {
  // A long timeout: what a client may have under way is tested here, not how long it may wait on a slow machine.
  replicas = await Replicas.open({ requestTimeoutMs: 60_000 })
  guarded = await Replicas.open({ count: 1, secret: SECRET })
})
test.after(async () => {
  await replicas.close()
  await guarded.close()
})

function onlyResult(results: Uint8Array): Uint8Array {
  const reader = new ResultReader(results)
  assert.is(reader.count, 1)
  reader.next()
  return reader.result
}

test('the replica challenges, and welcomes with where all replicas are', async () => {
  await until(() => replicas.replica(1).clientUrls.every((url) => url !== ''), 'addresses learned')
  const stranger = await Stranger.admitted(replicas.url(1))
  const [challenge, welcome] = stranger.messages as [Challenge, Welcome]
  assert.is(challenge.type, ClientMessageType.challenge)
  assert.is(challenge.needsSecret, false)
  assert.is(welcome.type, ClientMessageType.welcome)
  assert.is(welcome.version, FORMAT_VERSION)
  assert.is(welcome.id, 1)
  assert.equal(welcome.clientUrls, replicas.urls)
  await stranger.leave()
})

test('another version is refused with the reason', async () => {
  const stranger = await Stranger.open(replicas.url(0))
  stranger.socket.send(encodeHello({ version: FORMAT_VERSION + 1, proof: NO_PROOF }))
  await stranger.hungUp()
  assert.is(stranger.responses[0]?.code, 'malformed')
  assert.match(stranger.responses[0]?.message ?? '', /version/)
})

test('a secret must be proved, for the nonce of this link', async () => {
  const right = new TextEncoder().encode(SECRET)
  const nonceOf = ({ messages }: Stranger) => (messages[0] as Challenge).nonce
  const wrong = [
    async () => NO_PROOF,
    async (stranger: Stranger) => proofOf(new TextEncoder().encode('open barley'), nonceOf(stranger)),
    async () => proofOf(right, new Uint8Array(32)),
    async (stranger: Stranger) => (await proofOf(right, nonceOf(stranger))).subarray(1),
  ]
  for (const prove of wrong) {
    const stranger = await Stranger.open(guarded.url(0))
    assert.is((stranger.messages[0] as Challenge).needsSecret, true)
    stranger.socket.send(encodeHello({ version: FORMAT_VERSION, proof: await prove(stranger) }))
    await stranger.hungUp()
    assert.is(stranger.responses[0]?.code, 'unauthorized')
  }
  const stranger = await Stranger.open(guarded.url(0))
  const proof = await proofOf(right, nonceOf(stranger))
  stranger.socket.send(encodeHello({ version: FORMAT_VERSION, proof }))
  await stranger.hears(2, 'a welcome')
  assert.is(stranger.messages[1]?.type, ClientMessageType.welcome)
  await stranger.leave()
})

test('no request is served before the secret is proved', async () => {
  const stranger = await Stranger.open(guarded.url(0))
  const hello = encodeHello({ version: FORMAT_VERSION, proof: new Uint8Array(32) })
  const request = encodeRequest(1, encodeGroup([putCommand('stolen', 'x')]))
  stranger.socket.send(frame([hello, request]))
  await stranger.hungUp()
  const authorization = { Authorization: `Bearer ${SECRET}` }
  assert.is((await ask(guarded.url(0), 'GET', '/kv/stolen', '', authorization)).status, 404)
})

test('the answers of one turn leave as one frame', async () => {
  const stranger = await Stranger.admitted(replicas.url(0))
  const requests = Array.from({ length: 40 }, (_, i) => encodeRequest(i, encodeGroup([putCommand(`k${i}`, 'x')])))
  stranger.socket.send(frame(requests))
  await until(() => stranger.responses.length === 40, 'all answers')
  assert.is(stranger.frames.length, 3)
  assert.equal(
    stranger.responses.map(({ id }) => id),
    requests.map((_, i) => i),
  )
  assert.ok(stranger.responses.every(({ outcome }) => outcome === ResponseOutcome.done))
  await stranger.leave()
})

test('stale groups are answered locally, a stale write is refused', async () => {
  const stranger = await Stranger.admitted(replicas.url(2))
  const before = replicas.replica(2).status().committed[2]
  const requests = [
    encodeRequest(7, encodeGroup([getCommand('none')]), { consistency: 'stale' }),
    encodeRequest(8, encodeGroup([putCommand('none', 'x')]), { consistency: 'stale' }),
    encodeRequest(9, encodeGroup([]), { consistency: 'stale' }),
    encodeRequest(10, encodeExpire('s'), { consistency: 'stale' }),
    encodeRequest(11, new Uint8Array(5), { consistency: 'stale' }),
    encodeRequest(12, encodeGroup([Uint8Array.of(99)]), { consistency: 'stale' }),
  ]
  stranger.socket.send(frame(requests))
  await until(() => stranger.responses.length === 6, 'all answers')
  assert.equal(
    stranger.responses.map(({ id, code }) => `${id} ${code}`),
    ['7 ', '8 bad_command', '9 ', '10 malformed', '11 malformed', '12 bad_command'],
  )
  assert.equal([...onlyResult(stranger.responses[0]!.results)], [1], 'absent')
  assert.is(replicas.replica(2).status().committed[2], before)
  await stranger.leave()
})

test('a group that cannot be read is refused, and the link goes on', async () => {
  const stranger = await Stranger.admitted(replicas.url(0))
  const good = encodeGroup([incrementCommand('n')])
  const bad = [good.subarray(1), encodeGroup([Uint8Array.of(0)]), new Uint8Array(0), new Uint8Array([...good, 0])]
  const requests = bad.map((group, i) => encodeRequest(i, group))
  stranger.socket.send(frame([...requests, encodeRequest(99, good)]))
  await until(() => stranger.responses.length === 5, 'all answers')
  for (const { id, outcome, code } of stranger.responses) {
    assert.is(outcome, id === 99 ? ResponseOutcome.done : ResponseOutcome.refused)
    assert.ok(id === 99 || code === 'malformed' || code === 'bad_command', code)
  }
  await stranger.leave()
})

test('what is no word of a client is hung up on', async () => {
  const hello = encodeHello({ version: FORMAT_VERSION, proof: NO_PROOF })
  const request = encodeRequest(1, encodeGroup([]))
  const unadmitted = [
    request,
    frame([request, hello]),
    new Uint8Array(3),
    encodeChallenge({ nonce: new Uint8Array(32), needsSecret: false }),
    'text',
  ]
  for (const bytes of unadmitted) {
    const stranger = await Stranger.open(replicas.url(0))
    stranger.socket.send(bytes)
    await stranger.hungUp()
    assert.is(stranger.messages.length, 1)
  }
  for (const bytes of [hello, 'text', new Uint8Array(4), Buffer.alloc(1000, 255)]) {
    const stranger = await Stranger.admitted(replicas.url(0))
    stranger.socket.send(bytes)
    await stranger.hungUp()
  }
})

test('those who never say who they are do not keep clients out', async () => {
  const strangers = await Promise.all(Array.from({ length: 70 }, () => Stranger.open(replicas.url(0))))
  const sockets = await Promise.all(Array.from({ length: MAX_STRANGERS + 20 }, () => silent(replicas.port(0))))
  const startedAt = performance.now()
  for (let n = 0; n < 30; n++) await (await Stranger.admitted(replicas.url(0))).leave()
  assert.is((await ask(replicas.url(0), 'GET', '/livez')).status, 200)
  assert.ok(performance.now() - startedAt < 5000, 'all at the first try')
  await until(
    () => sockets.filter(({ closed }) => closed).length + strangers.filter(({ closed }) => closed).length >= 90,
    'the oldest gone',
  )
  for (const socket of sockets) socket.destroy()
  for (const stranger of strangers) stranger.socket.terminate()
})

test('a client that was admitted stays, however many strangers come', async () => {
  const client = await Stranger.admitted(replicas.url(0))
  const sockets = await Promise.all(Array.from({ length: 2 * MAX_STRANGERS }, () => silent(replicas.port(0))))
  await until(() => sockets.filter(({ closed }) => closed).length >= MAX_STRANGERS, 'the oldest gone')
  client.socket.send(encodeRequest(1, encodeGroup([getCommand('none')])))
  await until(() => client.responses.length === 1, 'an answer')
  for (const socket of sockets) socket.destroy()
  await client.leave()
})

test('with a secret, who asks only for what is open to all stays a stranger', async () => {
  const probe = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\n'
  const sockets = await Promise.all(Array.from({ length: 2 * MAX_STRANGERS }, () => silent(guarded.port(0))))
  const startedAt = performance.now()
  for (const socket of sockets) socket.write(probe)
  await until(() => sockets.filter(({ closed }) => closed).length >= MAX_STRANGERS, 'the oldest gone')
  assert.ok(performance.now() - startedAt < 5000, 'before the time of the second request is over')
  assert.is((await ask(guarded.url(0), 'GET', '/livez')).status, 200)
  for (const socket of sockets) socket.destroy()
})

test('a stranger that sends much before it has said who it is is hung up on', async () => {
  const stranger = await Stranger.open(replicas.url(0))
  const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 1, 2, 3, 4])
  const socket = (stranger.socket as unknown as { _socket: Socket })._socket
  socket.write(Buffer.concat([head, Buffer.alloc(2 * MAX_STRANGER_BYTES)]))
  await stranger.hungUp()
})

/** A connection on which nothing is said. */
function silent(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.resume().once('error', reject)
  })
}

test('beyond so many bytes under way a client is refused', async () => {
  const stranger = await Stranger.admitted(replicas.url(0))
  const group = encodeGroup([getCommand('none')])
  // A request counts for more than its bytes; all requests arrive at once.
  const count = Math.ceil(MAX_IN_FLIGHT_BYTES / 256)
  stranger.socket.send(frame(Array.from({ length: count }, (_, i) => encodeRequest(i, group).slice())))
  await until(() => stranger.responses.length === count, 'all answers')
  const refused = stranger.responses.filter(({ code }) => code === 'busy').length
  assert.ok(refused > 0 && refused < count / 2, `${refused} of ${count}`)
  await stranger.leave()
})

test('a client that does not take its answers is hung up on, the others go on', async () => {
  await ask(replicas.url(0), 'PUT', '/kv/large', new Uint8Array(1 << 20))
  const lazy = await Stranger.admitted(replicas.url(0))
  const group = encodeGroup([getCommand('large')])
  const burst = MAX_UNSENT_BYTES >>> 20
  lazy.socket.pause()
  for (let bursts = 1; bursts <= 2; bursts++) {
    const before = replicas.replica(0).status().counts.commands
    for (let i = 0; i < burst; i++) lazy.socket.send(encodeRequest(i, group))
    await until(() => replicas.replica(0).status().counts.commands >= before + burst, 'the reads done')
  }
  const busy = await Stranger.admitted(replicas.url(0))
  busy.socket.send(encodeRequest(1, encodeGroup([getCommand('none')])))
  await until(() => busy.responses.length === 1, 'an answer to another client')
  lazy.socket.resume()
  await lazy.hungUp()
  assert.ok(lazy.responses.length < 2 * burst)
  await busy.leave()
})

test('large answers that are taken arrive whole and in order', async () => {
  const stranger = await Stranger.admitted(replicas.url(0))
  const group = encodeGroup([getCommand('large')])
  stranger.socket.send(frame(Array.from({ length: 40 }, (_, i) => encodeRequest(i, group))))
  await until(() => stranger.responses.length === 40, '40 MiB of answers', 10_000)
  for (const { results } of stranger.responses) assert.is(onlyResult(results).length, 1 + (1 << 20))
  await stranger.leave()
})

test('the answers of a client that has gone are dropped', async () => {
  for (let i = 0; i < 20; i++) {
    const stranger = await Stranger.admitted(replicas.url(0))
    stranger.socket.send(encodeRequest(1, encodeGroup([incrementCommand('gone')])))
    await stranger.leave()
  }
  assert.is(replicas.replica(0).notReady, null)
})

test('mutated frames never stop the replica', async () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const options = { session: 's', first: 1, acknowledged: 0 }
  const frames = [
    encodeRequest(1, encodeGroup([putCommand('k', 'v'), getCommand('k')], options)),
    encodeRequest(2, encodeGroup([getCommand('k')]), { consistency: 'stale' }),
    frame([encodeRequest(3, encodeExpire('t')), encodeRequest(4, encodeGroup([incrementCommand('n')]))]),
    encodeHello({ version: FORMAT_VERSION, proof: new Uint8Array(32) }),
  ].map((bytes) => bytes.slice())
  const rounds = 2000
  let stranger = await Stranger.admitted(replicas.url(0))
  for (let i = 0; i < rounds; i++) {
    if (stranger.closed) stranger = await Stranger.admitted(replicas.url(0))
    const bytes = random.pick(frames).slice()
    for (let n = 1 + random.below(3); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256)
    stranger.socket.send(random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes)
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await stranger.leave()
  const good = await Stranger.admitted(replicas.url(0))
  good.socket.send(encodeRequest(1, encodeGroup([putCommand('alive', 'yes')])))
  await until(() => good.responses.length === 1, `an answer after all, seed ${seed}`)
  assert.is(good.responses[0]?.outcome, ResponseOutcome.done, `seed ${seed}`)
  await good.leave()
  assert.is(replicas.replica(0).notReady, null, `seed ${seed}`)
  volume('mutated client frames', rounds)
})

test.run()
