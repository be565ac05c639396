import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { descriptorsForStrangers } from '../../src/system/limits.ts'
import type { Schedule } from '../../src/transport/backoff.ts'
import { helloText, MAX_HANDSHAKE_BYTES, newNonce } from '../../src/transport/handshake.ts'
import { PING_INTERVAL_MS } from '../../src/transport/links.ts'
import { MAX_STRANGERS } from '../../src/transport/listener.ts'
import { MAX_FRAME_BYTES, type Verdict } from '../../src/transport/transport.ts'
import { MAX_ASKING } from '../../src/transport/uws-server.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts, isFree, peersAt } from '../support/ports.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { claimOf, identityOf, Observer } from './observer.ts'
import { SimulatedTime } from './simulated-time.ts'
import { Stranger } from './stranger.ts'

const test = serverSuite('peer port')

const secret = new TextEncoder().encode('known to replicas only')

interface Victim {
  readonly port: number
  readonly seen: Observer
  readonly transport: WebSocketTransport
}

/** Replica 0 of 3, alone; at the end it must still welcome a legitimate peer. */
async function withVictim(story: (victim: Victim) => Promise<void>, schedule?: Schedule): Promise<void> {
  const ports = await freePorts(3)
  const listen = { host: '127.0.0.1', port: ports[0] as number }
  const options = { identity: identityOf(0, 3), listen, peers: peersAt(ports), secret, server: test.server() }
  const transport = new WebSocketTransport(schedule === undefined ? options : { ...options, schedule })
  const seen = new Observer()
  await transport.start(seen)
  try {
    await story({ port: ports[0] as number, seen, transport })
    const friend = await new Stranger(ports[0] as number).greet(claimOf(2, 3), 0, secret)
    friend.socket.send(Uint8Array.of(42))
    await until(() => seen.from(2).at(-1)?.[0] === 42, 'a frame from a friend')
    friend.socket.terminate()
  } finally {
    await transport.close()
  }
}

const upgrade = [
  'GET /peer HTTP/1.1',
  'Host: replica',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n')

/** Bytes written to the port, and how the drop is reported. */
const rawBytes: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['nothing', Buffer.alloc(0), /asked for nothing/],
  ['a zero', Buffer.alloc(1), /asked for nothing/],
  ['binary garbage', Buffer.from([0, 1, 2, 255, 254, 13, 10, 13, 10]), /asked for nothing/],
  ['much garbage', Buffer.alloc(1 << 20, 7), /asked for nothing/],
  ['half a request', Buffer.from('GET /peer HTT'), /asked for nothing/],
  ['a request', Buffer.from('GET /kv/a HTTP/1.1\r\nHost: a\r\n\r\n'), /request that is no link/],
  ['another path', Buffer.from(upgrade.replace('/peer', '/other')), /request that is no link/],
  ['a plain request for the path', Buffer.from('GET /peer HTTP/1.1\r\nHost: a\r\n\r\n'), /request that is no link/],
  ['a browser', Buffer.from(upgrade.replace('Host:', 'Origin: http://evil\r\nHost:')), /browser/],
  ['garbage after the upgrade', Buffer.concat([Buffer.from(upgrade), Buffer.alloc(64, 255)]), /without a hello/],
  ['an unmasked frame', Buffer.concat([Buffer.from(upgrade), Buffer.from([0x82, 1, 65])]), /without a hello/],
  [
    'a frame of 2⁶³ bytes',
    Buffer.concat([Buffer.from(upgrade), Buffer.from([0x82, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0])]),
    /without a hello/,
  ],
]

for (const [title, bytes, expected] of rawBytes) {
  test(`${title} on the port is dropped and harms nobody (scenario 18)`, () =>
    withVictim(async ({ port, seen }) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      if (bytes.length > 0) socket.write(bytes)
      socket.end()
      await until(() => seen.drops.length > 0, 'the drop')
      socket.destroy()
      assert.match(seen.drops[0] as string, expected)
      assert.is(seen.drops.length, 1)
      volume('hostile links', 1)
    }))
}

const friend = claimOf(1, 3)
type Step = (stranger: Stranger) => unknown
const lawless: readonly (readonly [string, Step, RegExp])[] = [
  ['a frame before its hello', (s) => s.socket.send(Uint8Array.of(1)), /frame before the hello/],
  ['a text that is no hello', (s) => s.socket.send('hello?'), /not JSON/],
  ['an empty text', (s) => s.socket.send(''), /not JSON/],
  ['a welcome', (s) => s.socket.send('{"type":"welcome"}'), /not a hello/],
  ['a hello without fields', (s) => s.socket.send(`{"type":"hello","version":${FORMAT_VERSION}}`), /handshake: /],
  ['a hello that is too long', (s) => s.socket.send(' '.repeat(MAX_HANDSHAKE_BYTES + 1)), /longer than/],
  ['a first message above the limit', (s) => s.socket.send(Buffer.alloc(MAX_FRAME_BYTES + 1)), /too big/],
  ['its hello twice', (s) => s.greet(friend, 0, secret).then(() => s.hello(friend, 0, secret)), /after its hello/],
  [
    'a frame above the limit',
    (s) => s.greet(friend, 0, secret).then(() => s.socket.send(Buffer.alloc(MAX_FRAME_BYTES + 1))),
    /replica 1: .*too big/,
  ],
  [
    'a text that is not UTF-8',
    (s) => s.greet(friend, 0, secret).then(() => s.socket.send(Uint8Array.of(0xff), { binary: false })),
    /UTF-8/,
  ],
]

for (const [title, step, expected] of lawless) {
  test(`a link that says ${title} is closed (scenario 18)`, () =>
    withVictim(async ({ port, seen }) => {
      const stranger = new Stranger(port)
      await stranger.challenged()
      await step(stranger)
      await stranger.hungUp()
      await until(() => seen.drops.length > 0, 'the drop')
      assert.match(seen.drops.join(), expected)
      assert.equal([seen.drops.length, seen.from(1).length], [1, 0])
      volume('hostile links', 1)
    }))
}

test('a link that never says hello is closed in time', () =>
  withVictim(
    async ({ port, seen }) => {
      const stranger = new Stranger(port)
      await stranger.hungUp()
      assert.ok(seen.drops.includes('link without a hello'))
    },
    (delayMs, action) => {
      const timer = setTimeout(action, delayMs / 20)
      return () => clearTimeout(timer)
    },
  ))

test('refusals name the first reason: version, cluster, replicas, row, secret, incarnation', () =>
  withVictim(async ({ port, seen }) => {
    seen.known.set(1, 'another incarnation')
    const wrong = claimOf(0, 5, { cluster: 'other' })
    const steps: readonly (readonly [string, Step])[] = [
      ['version', (s) => s.socket.send(`{"type":"hello","version":${FORMAT_VERSION + 1}}`)],
      ['cluster', (s) => s.hello(wrong, 7, null)],
      ['replicas', (s) => s.hello(claimOf(0, 5), 7, null)],
      ['row', (s) => s.hello(claimOf(0, 3), 0, null)],
      ['row', (s) => s.hello(claimOf(3, 3), 0, null)],
      ['row', (s) => s.hello(friend, 2, secret)],
      ['secret', (s) => s.hello(friend, 0, null)],
      ['secret', (s) => s.socket.send(helloText(friend, 0, { challenge: newNonce(), hello: newNonce() }, secret))],
      ['amnesiac', (s) => s.hello(friend, 0, secret)],
    ]
    for (const [reason, step] of steps) {
      const stranger = new Stranger(port)
      await stranger.challenged()
      await step(stranger)
      await stranger.hungUp()
      assert.is(stranger.heard[1]?.reason, reason)
      assert.is(seen.drops.at(-1), `link refused: ${reason}`)
    }
    assert.is(seen.drops.length, steps.length)
  }))

test('a newer link of a peer takes the place of the older one, also when that is admitted later', () =>
  withVictim(async ({ port, seen }) => {
    const older = await new Stranger(port).greet(friend, 0, secret)
    const newer = await new Stranger(port).greet(friend, 0, secret)
    await older.hungUp()
    assert.not(newer.closed)

    const admissions: ((verdict: Verdict) => void)[] = []
    seen.admit = () => new Promise((resolve) => admissions.push(resolve))
    const late = new Stranger(port)
    await late.hello(friend, 0, secret)
    await until(() => admissions.length === 1, 'the first admission')
    const last = new Stranger(port)
    await last.hello(friend, 0, secret)
    await until(() => admissions.length === 2, 'the second admission')
    admissions[1]?.('yes')
    await newer.hungUp()
    admissions[0]?.('yes')
    await late.hungUp()
    last.socket.send(Uint8Array.of(9))
    await until(() => seen.from(1).length === 1, 'a frame on the newest link')
    last.socket.terminate()
    seen.admit = async () => 'yes'
  }))

test('a frame before the welcome ends the link, whatever becomes of its admission', () =>
  withVictim(async ({ port, seen }) => {
    let admit: (verdict: Verdict) => void = () => {}
    seen.admit = () =>
      new Promise((resolve) => {
        admit = resolve
      })
    const hasty = new Stranger(port)
    await hasty.hello(friend, 0, secret)
    hasty.socket.send(Uint8Array.of(1))
    await hasty.hungUp()
    admit('yes')
    seen.admit = async () => 'yes'
    assert.equal([seen.drops, seen.from(1)], [['message before the welcome'], []])
  }))

test('the opening of a link that comes in two packets opens it, or is refused at once', () =>
  withVictim(async ({ port }) => {
    const bytes = Buffer.from(upgrade)
    const cuts = Array.from({ length: bytes.length }, (_, cut) => cut)
    // uWebSockets' parser does not wait for the rest of a request line: it says 505, and the dialler dials again.
    const expected = test.server().kind === 'uws' ? /^HTTP\/1\.1 (101|505)/ : /^HTTP\/1\.1 101/
    for (let i = 0; i < cuts.length; i += 32) {
      const answers = await Promise.all(cuts.slice(i, i + 32).map((cut) => inTwoPackets(port, bytes, cut)))
      for (const [n, answer] of answers.entries()) assert.match(answer, expected, `cut at ${i + n}`)
    }
    volume('hostile links', cuts.length)
  }))

/** What is answered first to bytes of which those behind `cut` come in a packet of their own. */
function inTwoPackets(port: number, bytes: Buffer, cut: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    socket.on('error', () => {})
    socket.once('data', (chunk) => {
      resolve(chunk.toString('latin1'))
      socket.destroy()
    })
    socket.once('close', () => resolve(''))
    if (cut > 0) socket.write(bytes.subarray(0, cut))
    setTimeout(() => socket.write(bytes.subarray(cut)), 5)
  })
}

test('of strangers beyond the limit the oldest goes, and a member comes in at once', () =>
  withVictim(async ({ port, seen }) => {
    const strangers: Stranger[] = []
    for (let n = 0; n < MAX_STRANGERS + 6; n++) {
      const stranger = new Stranger(port)
      strangers.push(stranger)
      await stranger.challenged()
    }
    const [oldest, rest] = [strangers.slice(0, 6), strangers.slice(6)]
    await Promise.all(oldest.map((stranger) => stranger.hungUp()))
    assert.ok(rest.every(({ closed }) => !closed))
    const startedAt = performance.now()
    const member = await new Stranger(port).greet(friend, 0, secret)
    assert.ok(performance.now() - startedAt < 1000, 'at the first try')
    await (strangers[6] as Stranger).hungUp()
    for (let n = 0; n < MAX_STRANGERS; n++) await new Stranger(port).challenged()
    assert.not(member.closed, 'who was admitted is no stranger')
    member.socket.terminate()
    for (const stranger of strangers) stranger.socket.terminate()
    await until(() => seen.drops.length >= MAX_STRANGERS + 6, 'the drops')
    volume('hostile links', 2 * MAX_STRANGERS + 6)
  }))

test('connections that ask for nothing, however many, keep no member out and end no link', () =>
  withVictim(async ({ port, seen }) => {
    const linked = await new Stranger(port).greet(friend, 0, secret)
    const count = descriptorsForStrangers(MAX_ASKING) + 200
    const silent = Array.from({ length: count }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await until(() => seen.drops.length > 0, 'the limit')
    const startedAt = performance.now()
    let member = new Stranger(port)
    await until(() => {
      if (member.closed) member = new Stranger(port)
      return member.heard.length > 0
    }, 'the challenge of a member')
    assert.ok(performance.now() - startedAt < 4000, 'before any of them is closed for its silence')
    linked.socket.send(Uint8Array.of(7))
    await until(() => seen.from(1).length === 1, 'a frame on the standing link')
    linked.socket.terminate()
    member.socket.terminate()
    for (const socket of silent) socket.destroy()
    volume('hostile links', count)
  }))

type Flooding = readonly [string, (stranger: Stranger) => Promise<unknown>]
const flooding: readonly Flooding[] = [
  ['a stranger', (stranger) => stranger.challenged()],
  ['a member', (stranger) => stranger.greet(friend, 0, secret)],
]

for (const [who, begin] of flooding) {
  test(`answers that ${who} does not take are not kept`, () =>
    withVictim(
      async ({ port }) => {
        const flood = new Stranger(port)
        await begin(flood)
        flood.socket.pause()
        const bytes = Buffer.alloc(125)
        const before = process.memoryUsage().rss
        let sentBytes = 0
        while (sentBytes < 32 << 20 && !flood.closed) {
          for (let n = 0; n < 1000; n++) flood.socket.ping(bytes)
          sentBytes += 1000 * bytes.length
          await new Promise((resolve) => setImmediate(resolve))
        }
        await until(() => flood.closed || flood.socket.bufferedAmount === 0, 'the port to have read it all')
        const growth = process.memoryUsage().rss - before
        // No more is kept than was sent: after little, the memory is that of Node.js, whose heap grows in large steps.
        const isLittle = sentBytes < 8 << 20
        assert.ok(isLittle || growth < 20 << 20, `${growth} bytes more for ${sentBytes} bytes of answers`)
        flood.socket.terminate()
      },
      () => () => {},
    ))
}

test('a peer that leaves while it is being admitted changes nothing', () =>
  withVictim(async ({ port, seen }) => {
    const linked = await new Stranger(port).greet(friend, 0, secret)
    const admissions: ((verdict: Verdict) => void)[] = []
    seen.admit = () => new Promise((resolve) => admissions.push(resolve))
    const fickle = new Stranger(port)
    await fickle.hello(friend, 0, secret)
    await until(() => admissions.length === 1, 'its admission')
    fickle.socket.terminate()
    await until(() => fickle.closed, 'it to leave')
    const probe = new Stranger(port)
    await probe.challenged()
    admissions[0]?.('yes')
    seen.admit = async () => 'yes'
    linked.socket.send(Uint8Array.of(5))
    await until(() => seen.from(1).length === 1, 'a frame on the standing link')
    assert.not(linked.closed)
    linked.socket.terminate()
    probe.socket.terminate()
  }))

test('a linked peer is pinged', async () => {
  const time = new SimulatedTime()
  await withVictim(async ({ port }) => {
    const linked = await new Stranger(port).greet(friend, 0, secret)
    let pings = 0
    linked.socket.on('ping', () => pings++)
    for (let ping = 1; ping <= 3; ping++) {
      await time.pass(PING_INTERVAL_MS)
      await until(() => pings === ping, 'a ping')
    }
    linked.socket.terminate()
  }, time.schedule)
})

test('closing disconnects everybody and frees the port', () =>
  withVictim(async ({ port }) => {
    const ports = await freePorts(3)
    const [own] = ports
    const listen = { host: '127.0.0.1', port: own as number }
    const parts = { identity: identityOf(0, 3), listen, peers: peersAt(ports), server: test.server() }
    const transport = new WebSocketTransport({ ...parts, secret: null })
    const seen = new Observer()
    await transport.start(seen)
    const friendly = await new Stranger(own as number).greet(friend, 0)
    const silent = new Stranger(own as number)
    await silent.challenged()
    await transport.close()
    await friendly.hungUp()
    await silent.hungUp()
    assert.equal([await isFree(own as number), await isFree(port), seen.drops], [true, false, []])
  }))

test('a second process on the port is refused with a clear error', () =>
  withVictim(async ({ port }) => {
    const module = new URL('../../src/transport/websocket.ts', import.meta.url).href
    const servers = new URL('../../src/transport/server.ts', import.meta.url).href
    const membership = new URL('../../src/protocol/membership.ts', import.meta.url).href
    const script = `
      const { WebSocketTransport } = await import('${module}')
      const { chooseServer } = await import('${servers}')
      const { foundingMembers } = await import('${membership}')
      const server = await chooseServer('${test.server().kind}')
      const listen = { host: '127.0.0.1', port: ${port} }
      const incarnation = new Uint8Array(16)
      const members = foundingMembers(['127.0.0.1:${port}'])
      const identity = { cluster: 'local', members, id: 0, incarnation, address: '', clientUrl: '' }
      const transport = new WebSocketTransport({ identity, listen, peers: new Map(), secret: null, server })
      const failed = (error) => console.log(error.code + ' ' + error.message)
      await transport.start({}).then(() => console.log('listens'), failed)
      process.exit()`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
    let said = ''
    child.stdout.on('data', (data) => {
      said += data
    })
    await once(child, 'close')
    assert.is(
      said.trim(),
      `configuration cannot listen on 127.0.0.1:${port}: in use, not allowed, or not an address of this machine`,
    )
  }))

test.run()
