import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import * as assert from 'uvu/assert'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import type { EpaxosError } from '../../src/errors.ts'
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, type Schedule } from '../../src/transport/backoff.ts'
import { MAX_SILENT_PINGS } from '../../src/transport/dialler.ts'
import {
  challengeText,
  type Hello,
  type Nonces,
  newNonce,
  readHello,
  refusalText,
  welcomeText,
} from '../../src/transport/handshake.ts'
import { HANDSHAKE_TIMEOUT_MS, PING_INTERVAL_MS } from '../../src/transport/links.ts'
import { MAX_BACKPRESSURE_BYTES } from '../../src/transport/transport.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts, peersAt } from '../support/ports.ts'
import { serverSuite } from '../support/servers.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { claimOf, identityOf, Observer } from './observer.ts'
import { SimulatedTime } from './simulated-time.ts'

const test = serverSuite('dialler')

const secret = new TextEncoder().encode('known to replicas only')
const peer = claimOf(1, 2)

/** Twenty times as fast as the real schedule. */
const hasty: Schedule = (delayMs, action) => {
  const timer = setTimeout(action, delayMs / 20)
  return () => clearTimeout(timer)
}

interface Dialling {
  readonly transport: WebSocketTransport
  readonly seen: Observer
  /** Where replica 1 is dialled. */
  readonly port: number
  readonly ports: readonly number[]
  /** Listens as replica 1, until the story ends. */
  impostor(onLink: (link: WebSocket) => void, options?: ServerOptions): Impostor
}

/** Replica 0, which dials replica 1 at a port where nothing listens yet. */
async function withDialling(
  story: (dialling: Dialling) => Promise<void>,
  timing: { schedule?: Schedule; random?: () => number } = {},
): Promise<void> {
  const ports = await freePorts(2)
  const listen = { host: '127.0.0.1', port: ports[0] as number }
  const options = { identity: identityOf(0, 2), listen, peers: peersAt(ports), secret, server: test.server() }
  const transport = new WebSocketTransport({ ...options, ...timing })
  const seen = new Observer()
  await transport.start(seen)
  const impostors: Impostor[] = []
  const impostor: Dialling['impostor'] = (onLink, options) => {
    const one = new Impostor(ports[1] as number, onLink, options)
    impostors.push(one)
    return one
  }
  try {
    await story({ transport, seen, port: ports[1] as number, ports, impostor })
  } finally {
    await transport.close()
    for (const one of impostors) await one.close()
  }
  assert.is(seen.linked.size, 0)
}

/** A hand-driven replica 1. */
class Impostor {
  readonly links: WebSocket[] = []
  readonly #server: WebSocketServer

  constructor(port: number, onLink: (link: WebSocket) => void, options: ServerOptions = {}) {
    this.#server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false, ...options })
    this.#server.on('connection', (link) => {
      link.on('error', () => {})
      this.links.push(link)
      onLink(link)
    })
  }

  async close(): Promise<void> {
    for (const link of this.links) link.terminate()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Sends the challenge, and answers the hello. */
function answering(answer: (link: WebSocket, nonces: Nonces) => void): (link: WebSocket) => void {
  return (link) => {
    const challenge = newNonce()
    link.send(challengeText(challenge))
    link.once('message', (data: Buffer) => answer(link, { challenge, hello: (readHello(data) as Hello).nonce }))
  }
}

const welcoming = answering((link, nonces) => link.send(welcomeText(peer, 0, nonces, secret)))

const challenge = challengeText(newNonce())
type Misbehaviour = readonly [string, (link: WebSocket) => void, RegExp]

const impostors: readonly Misbehaviour[] = [
  ['sends frames', (link) => link.send(Uint8Array.of(1)), /frame on a link that this side dialled/],
  ['sends garbage', (link) => link.send('garbage'), /not JSON/],
  ['sends too much', (link) => link.send(' '.repeat(1 << 20)), /payload size exceeded/],
  ['sends bytes that are no WebSocket', (link) => rawSocket(link).write(Buffer.alloc(64, 255)), /Invalid WebSocket/],
  ['challenges twice', (link) => [challenge, challenge].map((text) => link.send(text)), /challenge out of turn/],
  ['welcomes at once', (link) => link.send(welcomeText(peer, 0, nonces(), secret)), /welcome out of turn/],
  ['refuses at once', (link) => link.send(refusalText('amnesiac', null, nonces(), secret)), /refusal out of turn/],
  ['has no secret', answering((link, n) => link.send(welcomeText(peer, 0, n, null))), /another secret/],
  ['repeats an old proof', answering((link) => link.send(welcomeText(peer, 0, nonces(), secret))), /another secret/],
  ['means another', answering((link, n) => link.send(welcomeText(peer, 1, n, secret))), /another secret/],
  ['is another', answering((l, n) => l.send(welcomeText(claimOf(0, 2), 0, n, secret))), /another row/],
  [
    'is of another cluster',
    answering((link, n) => link.send(welcomeText(claimOf(1, 2, { cluster: 'x' }), 0, n, secret))),
    /another cluster/,
  ],
  ...(['foreign', 'amnesiac', 'copy'] as const).map(
    (reason): Misbehaviour => [
      `refuses as ${reason} without the secret`,
      answering((l, n) => l.send(refusalText(reason, null, n, null))),
      /without the secret/,
    ],
  ),
]

/** Lets the pauses between dials pass until the link is up. */
async function linked(time: SimulatedTime, seen: Observer): Promise<void> {
  const pausing = () => time.waiting.some((delayMs) => delayMs <= LONGEST_PAUSE_MS)
  while (!seen.linked.has(1)) {
    await until(() => seen.linked.has(1) || pausing(), 'the link, or a pause')
    if (!seen.linked.has(1)) await time.pass(Math.min(...time.waiting))
  }
}

function nonces(): Nonces {
  return { challenge: newNonce(), hello: newNonce() }
}

function rawSocket(link: WebSocket): Socket {
  return (link as unknown as { _socket: Socket })._socket
}

for (const [title, onLink, expected] of impostors) {
  test(`a replica that ${title} is hung up on and dialled again`, () =>
    withDialling(
      async ({ impostor, seen }) => {
        const one = impostor(onLink)
        await until(() => one.links.length > 1, 'the second dial')
        assert.match(seen.drops[0] as string, expected)
        assert.equal([seen.ups, seen.refusals, [...seen.known]], [[], [], []])
        volume('hostile links', 1)
      },
      { schedule: hasty },
    ))
}

/** The code of a probe that such a replica answers, where it is not that nobody is there. */
const CODES: Readonly<Record<string, string>> = {
  'has no secret': 'unauthorized',
  'repeats an old proof': 'unauthorized',
  'means another': 'unauthorized',
  'is another': 'refused_by_peers',
  'is of another cluster': 'foreign_cluster',
  'refuses as foreign without the secret': 'unauthorized',
  'refuses as amnesiac without the secret': 'unauthorized',
  'refuses as copy without the secret': 'unauthorized',
}

test('a probe believes nobody who breaks the rules or has no proof', async () => {
  for (const [title, onLink] of impostors) {
    await withDialling(async ({ impostor, transport, port }) => {
      impostor(onLink)
      const code = await transport.probe(`127.0.0.1:${port}`, 1).then(
        () => 'believed',
        (error) => error.code,
      )
      assert.is(code, CODES[title] ?? 'unreachable', title)
      volume('hostile links', 1)
    })
  }
})

test('a probe reports a refusal by who knows the secret', () =>
  withDialling(async ({ impostor, transport, port }) => {
    impostor(answering((link, n) => link.send(refusalText('amnesiac', null, n, secret))))
    const error = await transport.probe(`127.0.0.1:${port}`, 1).catch((reason) => reason)
    assert.is(error.code, 'refused_by_peers')
    assert.match(error.message, /refuses this one: another incarnation/)
  }))

test('an address that cannot be dialled is a wrong configuration, and changes nothing', () =>
  withDialling(async ({ impostor, seen, transport }) => {
    impostor(welcoming)
    await until(() => seen.linked.has(1), 'the link')
    const isWrong = (error: unknown) => (error as EpaxosError).code === 'configuration'
    for (const address of ['', 'no host:1', '127.0.0.1', '127.0.0.1:0', 'u@127.0.0.1:1']) {
      assert.throws(() => transport.dial(1, address), isWrong)
      assert.throws(() => transport.become(identityOf(0, 2), new Map([[1, address]])), isWrong)
      assert.ok(isWrong(await transport.probe(address, 1).catch((error) => error)))
    }
    assert.throws(() => transport.become(identityOf(0, 2, { cluster: 'x'.repeat(5000) }), new Map()), isWrong)
    assert.equal([seen.downs, transport.send(1, Uint8Array.of(1))], [[], true])
  }))

test('a frame after the welcome ends the link', () =>
  withDialling(async ({ impostor, seen }) => {
    const one = impostor(welcoming)
    await until(() => seen.linked.has(1), 'the link')
    one.links[0]?.send(Uint8Array.of(1))
    await until(() => seen.downs.length === 1, 'its end')
    assert.match(seen.drops[0] as string, /frame on a link/)
    assert.is(seen.frames.size, 0)
  }))

test('a refusal by who knows the secret is reported', () =>
  withDialling(async ({ impostor, seen }) => {
    const refuse = answering((link, n) => link.send(refusalText('amnesiac', null, n, secret)))
    impostor(refuse)
    await until(() => seen.refusals.length > 1, 'refusals')
    assert.equal([seen.refusals[0], seen.drops], [{ peer: 1, reason: 'amnesiac', clusterId: null }, []])
  }))

test('a port that accepts and says nothing is given up in time, and does not hold up closing', () =>
  withDialling(
    async ({ port }) => {
      const sockets: Socket[] = []
      const server = await listening(
        createServer((socket) => sockets.push(socket.on('error', () => {}))),
        port,
      )
      await until(() => sockets.length > 1, 'the second dial')
      await until(
        () => sockets[0]?.destroyed !== false || sockets[0].readableEnded || sockets.length > 2,
        'the first to end',
      )
      for (const socket of sockets) socket.destroy()
      server.close()
    },
    { schedule: hasty },
  ))

test('closing does not wait for a peer that does not answer', () =>
  withDialling(async ({ transport, port }) => {
    const sockets: Socket[] = []
    const server = await listening(
      createServer((socket) => sockets.push(socket.on('error', () => {}))),
      port,
    )
    await until(() => sockets.length > 0, 'the dial')
    const beginMs = performance.now()
    await transport.close()
    assert.ok(performance.now() - beginMs < HANDSHAKE_TIMEOUT_MS / 2)
    for (const socket of sockets) socket.destroy()
    server.close()
  }))

test('another server at the address is noted', () =>
  withDialling(async ({ port, seen }) => {
    const server = createHttpServer((_, response) => response.writeHead(404).end())
    await listening(server, port)
    await until(() => seen.drops.length > 0, 'the drop')
    server.closeAllConnections()
    server.close()
    assert.match(seen.drops[0] as string, /404/)
  }))

function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

test('pauses between dials double up to a second, jittered', async () => {
  for (const [random, part] of [
    [() => 0, 0.5],
    [() => 0.5, 0.75],
  ] as const) {
    const pauses: number[] = []
    const schedule: Schedule = (delayMs, action) => {
      if (delayMs < HANDSHAKE_TIMEOUT_MS) pauses.push(delayMs)
      return hasty(delayMs / 10, action)
    }
    await withDialling(async () => until(() => pauses.length >= 7, 'seven pauses'), { schedule, random })
    const full = [FIRST_PAUSE_MS, 100, 200, 400, 800, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS]
    assert.equal(
      pauses.slice(0, 7),
      full.map((ms) => ms * part),
    )
  }
})

test('a link that does not last does not end the backing off, one that lasts does', async () => {
  const time = new SimulatedTime()
  const pauses: number[] = []
  const schedule: Schedule = (delayMs, action) => {
    if (delayMs < PING_INTERVAL_MS) pauses.push(delayMs)
    return time.schedule(delayMs, action)
  }
  await withDialling(
    async ({ impostor, seen }) => {
      const one = impostor(welcoming)
      const relink = async (standsMs: number) => {
        await linked(time, seen)
        await time.pass(standsMs)
        const downs = seen.downs.length
        one.links.at(-1)?.terminate()
        await until(() => seen.downs.length > downs, 'its end')
      }
      for (const standsMs of [10, 10, 10, 1001, 10]) await relink(standsMs)
      const [first] = pauses
      assert.is(first, FIRST_PAUSE_MS / 2)
      assert.equal(pauses.slice(-5), [...rising(pauses.length - 5), FIRST_PAUSE_MS / 2, FIRST_PAUSE_MS])
    },
    { schedule, random: () => 0 },
  )
})

/** The three doubling pauses from `from` on. */
function rising(from: number): number[] {
  return [0, 1, 2].map((i) => (FIRST_PAUSE_MS / 2) * 2 ** (from + i))
}

test('a peer that links to this replica is dialled at once', async () => {
  const time = new SimulatedTime()
  await withDialling(
    async ({ seen, ports }) => {
      const waiting = () => time.waiting.some((delayMs) => delayMs <= LONGEST_PAUSE_MS)
      while (time.nowMs < 5000) {
        await until(waiting, 'a pause')
        await time.pass(LONGEST_PAUSE_MS)
      }
      await until(waiting, 'a long pause')
      const other = new WebSocketTransport({
        identity: identityOf(1, 2),
        listen: { host: '127.0.0.1', port: ports[1] as number },
        peers: peersAt(ports),
        secret,
        server: test.server(),
      })
      const seenThere = new Observer()
      await other.start(seenThere)
      await until(() => seenThere.linked.has(0), "the peer's link")
      await time.pass(FIRST_PAUSE_MS)
      await until(() => seen.linked.has(1), 'the link back')
      await other.close()
    },
    { schedule: time.schedule, random: () => 0.9 },
  )
})

test('a dial whose request arrives in two packets comes up, at the second try at the latest', () =>
  withDialling(async ({ seen, port, ports }) => {
    const [target] = (await freePorts(1)) as [number]
    const peers = peersAt(ports)
    const listen = { host: '127.0.0.1', port: target }
    const other = new WebSocketTransport({ identity: identityOf(1, 2), listen, peers, secret, server: test.server() })
    await other.start(new Observer())
    let dials = 0
    const splitter = createServer((near) => {
      const far = connect(target, '127.0.0.1').setNoDelay(true)
      for (const socket of [near, far]) socket.on('error', () => {})
      near.once('close', () => far.destroy())
      far.pipe(near)
      if (++dials > 1) return void near.pipe(far)
      near.once('data', (bytes) => {
        far.write(bytes.subarray(0, 10))
        setTimeout(() => {
          far.write(bytes.subarray(10))
          near.pipe(far)
        }, 20)
      })
    }).listen(port, '127.0.0.1')
    try {
      await until(() => seen.linked.has(1), 'the link')
      assert.is(dials, test.server().kind === 'uws' ? 2 : 1)
    } finally {
      await other.close()
      await new Promise((resolve) => splitter.close(resolve))
    }
    await until(() => seen.linked.size === 0, 'the end of the link')
  }))

test('a peer that falls silent is noticed after some pings, whatever else it says', async () => {
  const time = new SimulatedTime()
  await withDialling(
    async ({ impostor, seen }) => {
      const one = impostor(welcoming, { autoPong: false })
      await linked(time, seen)
      const link = one.links[0] as WebSocket
      let pings = 0
      link.on('ping', () => {
        pings++
        if (pings === 2) link.pong()
        link.ping()
      })
      await time.pass(1)
      for (let ping = 1; ping <= 2 + MAX_SILENT_PINGS; ping++) {
        await time.pass(PING_INTERVAL_MS)
        await until(() => pings === ping, 'the ping')
        assert.equal(seen.downs, [])
      }
      await time.pass(PING_INTERVAL_MS)
      await until(() => seen.downs.length === 1, 'the end of the link')
    },
    { schedule: time.schedule },
  )
})

test('a peer with a backlog to read is given time while it pings, and no longer', async () => {
  const time = new SimulatedTime()
  await withDialling(
    async ({ impostor, seen, transport }) => {
      const one = impostor(welcoming, { autoPong: false })
      await linked(time, seen)
      const link = one.links[0] as WebSocket
      link.pause()
      while (transport.buffered(1) < 16 << 20) assert.ok(transport.send(1, new Uint8Array(8 << 20)))
      for (let round = 0; round < 3 * MAX_SILENT_PINGS; round++) {
        link.ping()
        await time.pass(PING_INTERVAL_MS)
        assert.equal(seen.downs, [], `round ${round}`)
      }
      await time.pass((MAX_SILENT_PINGS + 1) * PING_INTERVAL_MS)
      await until(() => seen.downs.length === 1, 'the end of the link')
    },
    { schedule: time.schedule },
  )
})

test('a link behind by more than the limit is closed and dialled again, without a copy of the backlog', () =>
  withDialling(async ({ impostor, seen, transport }) => {
    const one = impostor(welcoming)
    await until(() => seen.linked.has(1), 'the link')
    one.links[0]?.pause()
    const frame = new Uint8Array(1 << 20)
    const before = process.memoryUsage().arrayBuffers
    let sent = 0
    while (transport.send(1, frame)) {
      sent++
      assert.ok(transport.buffered(1) <= MAX_BACKPRESSURE_BYTES + 1000)
      if (sent % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(sent >= MAX_BACKPRESSURE_BYTES / frame.length - 1, `${sent} frames`)
    assert.ok(process.memoryUsage().arrayBuffers - before < MAX_BACKPRESSURE_BYTES / 4, 'the frames are not copied')
    assert.is(transport.buffered(1), 0)
    assert.equal(seen.downs, [], 'reported later, not within send')
    await until(() => seen.ups.length === 2, 'the link again')
    assert.equal([seen.downs, seen.drops], [[1], ['link to replica 1 closed: backlog']])
    assert.ok(transport.send(1, frame))
  }))

test.run()
