import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryNetwork, type MemoryNetworkOptions, MemoryTransport } from '../../src/transport/memory.ts'
import { MAX_BACKPRESSURE_BYTES, MAX_FRAME_BYTES } from '../../src/transport/transport.ts'
import { memberAddress } from '../support/members.ts'
import { complianceSuite } from './compliance.ts'
import { identityOf, Observer } from './observer.ts'
import { SimulatedTime } from './simulated-time.ts'

complianceSuite('memory', async () => {
  const time = new SimulatedTime()
  const network = new MemoryNetwork({ schedule: time.schedule })
  return {
    address: memberAddress,
    transport: ({ address, peers, ...member }) =>
      new MemoryTransport(network, {
        ...member,
        ...(address !== undefined && { address: memberAddress(address) }),
        ...(peers !== undefined && { peers }),
      }),
    until: (condition, what) => time.until(condition, what),
    pass: (ms) => time.pass(ms),
  }
})

const test = suite('memory network')

/** Two linked replicas on a network with these options. */
async function pair(options: Omit<MemoryNetworkOptions, 'schedule'> = {}) {
  const time = new SimulatedTime()
  const network = new MemoryNetwork({ schedule: time.schedule, ...options })
  const seen = [new Observer(), new Observer()] as const
  const transports = [0, 1].map((id) => new MemoryTransport(network, { identity: identityOf(id, 2) }))
  await transports[0]?.start(seen[0])
  await transports[1]?.start(seen[1])
  await time.until(() => seen[0].linked.size + seen[1].linked.size === 2, 'both links')
  return { time, network, seen, send: (i: number) => transports[0]!.send(1, Uint8Array.of(i)), transports }
}

const received = (seen: Observer) => seen.from(0).map((bytes) => bytes[0])

test('loses, duplicates and delays frames as its fate says, in order where it is ordered', async () => {
  const fates: Record<number, number[]> = { 1: [9], 2: [], 3: [1, 5], 4: [2] }
  const fate = (_: number, __: number, frame: Uint8Array) => fates[frame[0] as number] ?? [1]
  for (const [ordered, expected] of [
    [true, [1, 3, 3, 4]],
    [false, [3, 4, 3, 1]],
  ] as const) {
    const { time, seen, send } = await pair({ fate, ordered })
    for (const i of [1, 2, 3, 4]) assert.ok(send(i))
    await time.pass(10)
    assert.equal(received(seen[1]), expected)
  }
})

test('with a bandwidth, frames wait for those before them, and count as buffered until they arrive', async () => {
  const { time, seen, transports } = await pair({ delayMs: () => 5, bytesPerMs: () => 10 })
  const [sender] = transports as [MemoryTransport]
  for (const i of [1, 2, 3]) assert.ok(sender.send(1, new Uint8Array(100).fill(i)))
  assert.is(sender.buffered(1), 300)
  const arrived: number[] = []
  for (let i = 0; i < 4; i++) {
    await time.pass(i === 0 ? 14 : 10)
    arrived.push(received(seen[1]).length)
  }
  assert.equal(arrived, [0, 1, 2, 3])
  assert.equal(received(seen[1]), [1, 2, 3])
  assert.is(sender.buffered(1), 0)
})

test('a link whose backlog grows too large is closed, what is on it is lost, and it is made again', async () => {
  const { time, seen, transports } = await pair({ bytesPerMs: () => 10, mostBufferedBytes: () => 1000 })
  const [sender] = transports as [MemoryTransport]
  assert.ok(sender.send(1, new Uint8Array(900)))
  assert.not(sender.send(1, new Uint8Array(101)))
  await time.pass(5)
  assert.equal(seen[0].downs, [1])
  await time.until(() => seen[0].linked.has(1), 'the link again')
  assert.is(sender.buffered(1), 0)
  assert.ok(sender.send(1, Uint8Array.of(4)))
  await time.pass(100)
  assert.equal(received(seen[1]), [4])
})

test('a closed cut breaks one direction at once and the other never; healed, it links again', async () => {
  const { time, network, seen, send, transports } = await pair()
  send(1)
  network.cut(0, 1)
  assert.not(send(2))
  await time.pass(5000)
  assert.equal([seen[0].downs, seen[1].downs, received(seen[1])], [[1], [], []])
  assert.ok(transports[1]!.send(0, Uint8Array.of(7)))
  network.heal(0, 1)
  await time.until(() => seen[0].linked.has(1), 'the link again')
  assert.ok(send(3))
  await time.pass(5)
  assert.equal([received(seen[1]), seen[0].from(1).length], [[3], 1])
})

test('a silent cut that is healed in time delays what was sent', async () => {
  const { time, network, seen, send } = await pair()
  network.cut(0, 1, 'silent')
  for (const i of [1, 2]) assert.ok(send(i))
  await time.pass(2000)
  assert.equal(received(seen[1]), [])
  network.heal(0, 1)
  await time.pass(5000)
  assert.equal([received(seen[1]), seen[0].downs], [[1, 2], []])
})

test('a silent cut is noticed after three seconds, and what was sent is lost', async () => {
  const { time, network, seen, send } = await pair()
  network.cut(0, 1, 'silent')
  send(1)
  await time.pass(2990)
  assert.equal(seen[0].downs, [])
  await time.pass(20)
  assert.equal(seen[0].downs, [1])
  network.heal(0, 1)
  await time.until(() => seen[0].linked.has(1), 'the link again')
  assert.equal(received(seen[1]), [])
})

test('a link behind by more than the limit is closed, and comes back', async () => {
  const { time, network, seen, transports } = await pair()
  network.cut(0, 1, 'silent')
  const frame = new Uint8Array(MAX_FRAME_BYTES)
  let sent = 0
  while (transports[0]!.send(1, frame)) sent++
  assert.is(sent, MAX_BACKPRESSURE_BYTES / MAX_FRAME_BYTES)
  assert.is(transports[0]!.buffered(1), 0)
  network.heal(0, 1)
  await time.until(() => seen[0].ups.length === 2, 'the link again')
  assert.equal([seen[0].downs, seen[1].from(0)], [[1], []])
})

test('what was on its way when its sender closed arrives, unless the restarted one came first', async () => {
  for (const [delayMs, expected] of [
    [3, [1]],
    [900, []],
  ] as const) {
    const { time, network, seen, send, transports } = await pair({ fate: () => [delayMs] })
    send(1)
    await transports[0]!.close()
    const again = new MemoryTransport(network, { identity: identityOf(0, 2) })
    await time.pass(5)
    await again.start(new Observer())
    await time.pass(1000)
    assert.equal(received(seen[1]), expected)
  }
})

test('the same options give the same story', async () => {
  const story = async () => {
    let state = 12345
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state / 2 ** 32
    }
    const fate = () => (random() < 0.2 ? [] : [random() * 20, random() * 20])
    const { time, network, seen, send } = await pair({ fate, random, ordered: false })
    for (let i = 0; i < 200; i++) {
      send(i)
      if (i === 50) network.cut(1, 0)
      if (i === 150) network.heal(1, 0)
      await time.pass(random() * 10)
    }
    return JSON.stringify([received(seen[1]), seen[1].ups, seen[1].downs, time.nowMs])
  }
  assert.is(await story(), await story())
})

test.run()
