import { createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  FIRST_PATIENCE_MS,
  type HostAddress,
  KNOWN_PATIENCE_MS,
  type LookUp,
  MAX_LOOK_UPS,
  Resolver,
} from '../../src/transport/resolver.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { freePorts, peersAt } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { identityOf, membersIn, Observer } from './observer.ts'
import { SimulatedTime } from './simulated-time.ts'

const test = suite('names of peers')

/** Name servers that a test answers for. */
class NameServers {
  /** Look-ups that are not answered, in the order in which they came. */
  readonly open: { host: string; answer: (address: string) => void; fail: (error: Error) => void }[] = []
  readonly asked: string[] = []
  most = 0

  readonly lookUp: LookUp = (host) => {
    this.asked.push(host)
    return new Promise((resolve, reject) => {
      const close = () => this.open.splice(this.open.indexOf(entry), 1)
      const entry = {
        host,
        answer: (address: string) => {
          close()
          resolve(address === '' ? [] : [{ address, family: 4 }])
        },
        fail: (error: Error) => {
          close()
          reject(error)
        },
      }
      this.open.push(entry)
      this.most = Math.max(this.most, this.open.length)
    })
  }

  one(host: string): NameServers['open'][number] {
    return this.open.find((entry) => entry.host === host) as NameServers['open'][number]
  }
}

function newResolver() {
  const time = new SimulatedTime()
  const servers = new NameServers()
  const resolver = new Resolver(servers.lookUp, time.schedule)
  /** What a dial gets; undefined while it waits. */
  const dial = (host: string) => {
    const dialled: { addresses?: string[]; error?: string } = {}
    resolver.addressesOf(host).then(
      (found: readonly HostAddress[]) => {
        dialled.addresses = found.map(({ address }) => address)
      },
      (error: Error) => {
        dialled.error = error.message
      },
    )
    return dialled
  }
  return { time, servers, dial }
}

test('dials of one name share one lookup, also when it takes longer than they wait', async () => {
  const { time, servers, dial } = newResolver()
  const dials = [dial('a'), dial('a')]
  await time.pass(FIRST_PATIENCE_MS)
  for (const { error } of dials) assert.match(error as string, /lookup of a takes longer than 2000 ms/)
  const later = dial('a')
  await time.pass(FIRST_PATIENCE_MS - 1)
  assert.equal([servers.asked, later], [['a'], {}])
  servers.one('a').answer('10.0.0.1')
  await time.pass(0)
  assert.equal(later.addresses, ['10.0.0.1'])
})

test('the last result is used while the next lookup is slow, silent or fails, and is then replaced', async () => {
  const { time, servers, dial } = newResolver()
  const first = dial('a')
  await time.pass(0)
  servers.one('a').answer('10.0.0.1')
  await time.pass(0)
  assert.equal(first.addresses, ['10.0.0.1'])

  const slow = dial('a')
  await time.pass(KNOWN_PATIENCE_MS - 1)
  assert.equal(slow, {})
  await time.pass(1)
  assert.equal(slow.addresses, ['10.0.0.1'])
  const atOnce = dial('a')
  await time.pass(0)
  assert.equal([atOnce.addresses, servers.asked.length], [['10.0.0.1'], 2])

  servers.one('a').fail(new Error('ENOTFOUND'))
  await time.pass(0)
  const failed = dial('a')
  await time.pass(0)
  servers.one('a').fail(new Error('ENOTFOUND'))
  await time.pass(0)
  assert.equal(failed.addresses, ['10.0.0.1'])

  const moved = dial('a')
  await time.pass(0)
  servers.one('a').answer('10.0.0.2')
  await time.pass(0)
  assert.equal(moved.addresses, ['10.0.0.2'])
})

test('a lookup that fails, or finds nothing, ends the dial of a name that was never found', async () => {
  const { time, servers, dial } = newResolver()
  for (const end of [() => servers.one('a').fail(new Error('ENOTFOUND a')), () => servers.one('a').answer('')]) {
    const failed = dial('a')
    await time.pass(0)
    end()
    await time.pass(0)
    assert.match(failed.error as string, /ENOTFOUND a|a has no address/)
  }
})

test('no more lookups are in progress than leave threads for the disk, and each name gets its turn', async () => {
  const { time, servers, dial } = newResolver()
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f']
  for (let round = 0; round < 5; round++) {
    for (const host of hosts) dial(host)
    await time.pass(FIRST_PATIENCE_MS)
  }
  assert.equal(servers.asked, hosts.slice(0, MAX_LOOK_UPS))
  while (servers.open.length > 0) {
    servers.open[0]?.fail(new Error('silent'))
    for (const host of hosts) dial(host)
    await time.pass(0)
    if (servers.asked.length >= 3 * hosts.length) break
  }
  assert.is(servers.most, MAX_LOOK_UPS)
  for (let at = 0; at + hosts.length <= servers.asked.length; at++) {
    assert.equal(new Set(servers.asked.slice(at, at + hosts.length)).size, hosts.length, 'in turn')
  }
})

test('localhost is never looked up', async () => {
  const { time, servers, dial } = newResolver()
  const dialled = dial('localhost')
  await time.pass(0)
  assert.equal([dialled.addresses, servers.asked], [['127.0.0.1', '::1'], []])
})

test('with silent name servers and a peer that is gone, another peer that comes back is linked at once', async () => {
  const ports = await freePorts(3)
  const hosts = ['a.test', 'b.test', 'c.test']
  const peers = new Map(ports.map((port, id) => [id, `${hosts[id]}:${port}`]))
  const servers = new NameServers()
  let silent = false
  const open = async (id: number) => {
    const lookUp: LookUp = async (host) => {
      return silent && id === 0 ? await servers.lookUp(host) : [{ address: '127.0.0.1', family: 4 }]
    }
    const listen = { host: '127.0.0.1', port: ports[id] as number }
    const transport = new WebSocketTransport({ identity: identityOf(id, 3), listen, peers, secret: null, lookUp })
    const seen = new Observer()
    await transport.start(seen)
    return { transport, seen }
  }
  const [a, b, c] = [await open(0), await open(1), await open(2)]
  try {
    await until(() => a.seen.linked.size === 2, 'both links')
    silent = true
    await b.transport.close()
    // So many dials that each would have had its lookup.
    await new Promise((resolve) => setTimeout(resolve, 4000))
    assert.equal(servers.asked, ['b.test'])
    await c.transport.close()
    await until(() => !a.seen.linked.has(2), 'the end of the link')
    const back = await open(2)
    await until(() => a.seen.linked.has(2), 'the link again', 3000).finally(() => back.transport.close())
    assert.ok(servers.most <= MAX_LOOK_UPS)
  } finally {
    await a.transport.close()
    await b.transport.close()
    await c.transport.close()
  }
})

test('a name that is not found, or too few descriptors, is reported once for each reason', async () => {
  const [port = 0] = await freePorts(1)
  const peers = new Map([[1, 'b.test:1']])
  const codes = ['ENOTFOUND', 'ENOTFOUND', 'ECONNREFUSED', 'EMFILE', 'EMFILE', 'ENOTFOUND']
  let dials = 0
  const lookUp: LookUp = async () => {
    const code = codes[dials++] ?? 'ECONNREFUSED'
    throw Object.assign(new Error(`lookUp ${code}`), { code })
  }
  const listen = { host: '127.0.0.1', port }
  const hasty = (delayMs: number, action: () => void) => {
    const timer = setTimeout(action, delayMs / 20)
    return () => clearTimeout(timer)
  }
  const options = { identity: identityOf(0, 2), listen, peers, secret: null, lookUp, schedule: hasty }
  const transport = new WebSocketTransport(options)
  const seen = new Observer()
  await transport.start(seen)
  await until(() => dials > codes.length, 'the dials')
  await transport.close()
  const reported = ['ENOTFOUND', 'EMFILE', 'ENOTFOUND']
  assert.equal(
    seen.drops,
    reported.map((code) => `link to replica 1: lookUp ${code}`),
  )
})

test('a lookup of before another identity leads nowhere', async () => {
  const [own = 0, old = 0, now = 0] = await freePorts(3)
  const servers = new NameServers()
  const listen = { host: '127.0.0.1', port: own }
  const [before, identity] = [identityOf(0, 2), identityOf(0, 2, { members: membersIn(1, 2) })]
  const parts = { listen, secret: null, lookUp: servers.lookUp }
  const a = new WebSocketTransport({ ...parts, identity: before, peers: new Map([[1, `old.test:${old}`]]) })
  const b = new WebSocketTransport({
    ...{ identity: identityOf(1, 2), peers: peersAt([own]), secret: null },
    listen: { host: '127.0.0.1', port: now },
  })
  const seen = [new Observer(), new Observer()] as const
  let connections = 0
  const decoy = createServer((socket) => {
    connections++
    socket.destroy()
  }).listen(old, '127.0.0.1')
  try {
    await a.start(seen[0])
    await until(() => servers.open.length === 1, 'the first lookup')
    a.become(identity, new Map([[1, `new.test:${now}`]]))
    await until(() => servers.open.length === 2, 'the second lookup')
    await b.start(seen[1])
    servers.one('old.test').answer('127.0.0.1')
    await new Promise((resolve) => setTimeout(resolve, 300))
    servers.one('new.test').answer('127.0.0.1')
    await until(() => seen[0].linked.has(1) && seen[1].linked.has(0), 'both links')
    assert.equal([connections, servers.asked.includes('new.test'), seen[0].ups], [0, true, [1]])
  } finally {
    await Promise.all([a.close(), b.close()])
    await new Promise((resolve) => decoy.close(resolve))
  }
})

test('the addresses of a name are tried in turn', async () => {
  const ports = await freePorts(2)
  const identities = [identityOf(0, 2), identityOf(1, 2)]
  const peers = new Map(ports.map((port, id) => [id, `${id}.test:${port}`]))
  const lookUp: LookUp = async () => [
    { address: '127.0.0.9', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ]
  const transports = identities.map((identity, id) => {
    const listen = { host: '127.0.0.1', port: ports[id] as number }
    return new WebSocketTransport({ identity, listen, peers, secret: null, lookUp })
  })
  const seen = [new Observer(), new Observer()]
  await Promise.all(transports.map((transport, i) => transport.start(seen[i] as Observer)))
  await until(() => seen.every(({ linked }) => linked.size === 1), 'the links')
  await Promise.all(transports.map((transport) => transport.close()))
})

test.run()
