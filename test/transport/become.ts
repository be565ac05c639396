import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { type EpaxosError, ErrorCode } from '../../src/errors.ts'
import type { MemberIdentity, Verdict } from '../../src/transport/transport.ts'
import { volume } from '../support/volumes.ts'
import { type Fabric, type Node, numbered, type Open, withFabric, withPair } from './fabric.ts'
import { identityOf, membersIn } from './observer.ts'

type NewFabric = () => Promise<Fabric>

/** A member in an epoch. */
function memberIn(epoch: number, id: number, replicas: number): MemberIdentity {
  return identityOf(id, replicas, { members: membersIn(epoch, replicas) })
}

/** These places, by the ids that are equal to them. */
function at(fabric: Fabric, ...places: readonly number[]): ReadonlyMap<number, string> {
  return new Map(places.map((place) => [place, fabric.address(place)]))
}

/** Makes `node` see no verdict any more before the returned function gives it one. */
function holdAdmits({ seen }: Node): { readonly waiting: number; give(verdict: Verdict | Error): void } {
  const held: ((verdict: Verdict | Error) => void)[] = []
  seen.admit = () =>
    new Promise((resolve, reject) => {
      held.push((verdict) => (verdict instanceof Error ? reject(verdict) : resolve(verdict)))
    })
  return {
    get waiting() {
      return held.length
    },
    give(verdict) {
      for (const each of held.splice(0)) each(verdict)
    },
  }
}

/** What a replica hears of its links when it takes another identity. */
export function becomeTests(test: Test, newFabric: NewFabric): void {
  test('who takes another identity ends its links at once in both directions, and links anew under it', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      a.transport.become(memberIn(1, 0, 2), at(fabric, 0, 1))
      assert.equal([a.seen.downs, a.transport.send(1, numbered(1, 0)), a.transport.buffered(1)], [[1], false, 0])
      await fabric.until(() => b.seen.downs.length === 1, 'the end of the link of the other one')
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      assert.equal([b.seen.identities.get(0)?.epoch, a.seen.identities.get(1)?.epoch], [1, 0])
      assert.ok(a.transport.send(1, numbered(2, 0)) && b.transport.send(0, numbered(3, 0)))
      await fabric.until(() => a.seen.from(1).length + b.seen.from(0).length === 2, 'a frame each way')
      assert.equal([a.seen.ups, a.seen.downs, a.seen.drops], [[1, 1], [1], []])
    }))

  for (const [title, size] of [
    ['small frames that arrived with one that is being handled', 0],
    ['large frames of which some are still on their way', 1 << 20],
  ] as const) {
    test(`what was on an old link is not handled after another identity was taken: ${title}`, () =>
      withPair(newFabric, async (fabric, [a, b]) => {
        a.seen.admit = async () => 'row'
        a.seen.onFrame = () => {
          a.transport.become(memberIn(1, 0, 2), new Map())
          return true
        }
        for (let i = 0; i < 20; i++) b.transport.send(0, numbered(i, size))
        await fabric.until(() => b.seen.refusals.length > 0 && b.seen.downs.length > 0, 'the new verdict')
        assert.equal([a.seen.from(1).length, a.seen.downs, a.seen.ups], [1, [1], [1]])
      }))
  }

  test('what was on an old link is not handled after another identity was taken between two frames', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      a.seen.admit = async () => 'row'
      for (let i = 0; i < 12; i++) b.transport.send(0, numbered(i, 4 << 20))
      await fabric.until(() => a.seen.from(1).length > 0, 'a first frame')
      const handled = a.seen.from(1).length
      a.transport.become(memberIn(1, 0, 2), new Map())
      await fabric.until(() => b.seen.refusals.length > 0, 'the new verdict')
      assert.is(a.seen.from(1).length, handled)
    }))

  for (const verdict of ['yes', 'again', 'amnesiac', new Error('disk')] as const) {
    test(`a verdict of before another identity has no effect: ${verdict}`, () =>
      withFabric(newFabric, async (fabric, open) => {
        const a = await open({ identity: identityOf(0, 2) })
        const held = holdAdmits(a)
        const b = await open({ identity: identityOf(1, 2) })
        await fabric.until(() => held.waiting >= 2, 'a verdict for each direction to be asked for')
        a.transport.become(memberIn(1, 0, 2), new Map())
        a.seen.admit = async () => 'row'
        held.give(verdict)
        await fabric.until(() => b.seen.refusals.length > 1, 'the new verdict')
        assert.equal(b.seen.refusals[0], { peer: 0, reason: 'row', clusterId: null })
        assert.equal([a.seen.ups, b.seen.ups, a.seen.refusals], [[], [], []])
        for (const what of a.seen.drops) assert.is(what, 'link refused: row')
      }))
  }

  test('a late verdict does not hold up, delay or close the links of the new identity', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2) })
      const admit = a.seen.admit.bind(a.seen)
      const held = holdAdmits(a)
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => held.waiting >= 2, 'a verdict for each direction to be asked for')
      a.seen.admit = admit
      a.transport.become(memberIn(1, 0, 2), at(fabric, 1))
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      held.give('again')
      await fabric.pass(20)
      assert.ok(a.transport.send(1, numbered(1, 0)) && b.transport.send(0, numbered(2, 0)))
      await fabric.until(() => a.seen.from(1).length + b.seen.from(0).length === 2, 'a frame each way')
      assert.equal([a.seen.downs, a.seen.drops], [[], []])
    }))

  test('exactly the given peers are dialled: nobody who was linked, dialled, or waited for before', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 4) })
      const linked = await open({ identity: identityOf(2, 4), peers: new Map() })
      await fabric.until(() => a.seen.linked.has(2), 'the link')
      await fabric.pass(60)
      a.transport.become(memberIn(1, 0, 4), at(fabric, 3))
      const others = [linked, await open({ identity: identityOf(1, 4), peers: new Map() })]
      const given = await open({ identity: identityOf(3, 4), peers: new Map() })
      const asked: number[] = []
      for (const { seen } of others) {
        seen.admit = async (peer) => {
          asked.push(peer)
          return 'yes'
        }
      }
      await fabric.until(() => a.seen.linked.has(3), 'the link to the given peer')
      await fabric.pass(500)
      assert.equal([asked, [...a.seen.linked], a.seen.ups, given.seen.drops], [[], [3], [2, 3], []])
    }))

  test('whenever another identity is taken, no frame is handled that was meant for an earlier one', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      const random = lottery(20_261_127)
      let epoch = 0
      const meant: number[][] = []
      a.seen.onFrame = (_, bytes) => {
        meant.push([new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), epoch])
        return true
      }
      const say = () => {
        const heard = b.seen.linked.has(0) ? (b.seen.identities.get(0)?.epoch as number) : 0
        for (let i = random(30); i > 0; i--) b.transport.send(0, numbered(heard, random(2000)))
      }
      for (let round = 0; round < 50; round++) {
        for (const ms of [random(120), random(4)]) {
          if (ms > 0) await fabric.pass(ms)
          say()
        }
        epoch++
        a.transport.become(memberIn(epoch, 0, 2), at(fabric, 1))
      }
      await fabric.until(() => b.seen.linked.has(0) && b.seen.identities.get(0)?.epoch === epoch, 'the last link')
      await fabric.until(() => a.seen.linked.has(1), 'the last link back')
      const before = meant.length
      b.transport.send(0, numbered(epoch, 0))
      await fabric.until(() => meant.length > before, 'a last frame')
      for (const [said, now] of meant) assert.is(said, now)
      assert.ok(before > 0, 'frames between changes')
      volume('frames between changes of the identity', before)
    }))

  test('a handler that hears of the end of a link may take yet another identity', () =>
    withThree(newFabric, async (fabric, [a, one, two]) => {
      const askers: number[] = []
      for (const { seen } of [one, two]) {
        seen.admit = async (_peer, { epoch }) => {
          askers.push(epoch)
          return 'yes'
        }
      }
      onFirstDown(a, () => a.transport.become(memberIn(2, 0, 3), at(fabric, 2)))
      a.transport.become(memberIn(1, 0, 3), at(fabric, 1, 2))
      assert.equal(a.seen.downs.toSorted(), [1, 2])
      await fabric.until(() => a.seen.linked.has(2), 'the link')
      await fabric.pass(300)
      assert.equal([[...a.seen.linked], a.seen.ups.length, askers], [[2], 3, [2]])
    }))

  test('a handler that hears of the end of a link may dial', () =>
    withThree(newFabric, async (fabric, [a, ,], open) => {
      const three = await open({ identity: identityOf(3, 4), peers: new Map() })
      let dials = 0
      three.seen.admit = async () => {
        dials++
        return 'yes'
      }
      onFirstDown(a, () => {
        a.transport.dial(3, fabric.address(3))
        a.transport.dial(2, fabric.address(2))
      })
      a.transport.become(memberIn(1, 0, 3), at(fabric, 1, 2))
      await fabric.until(() => a.seen.linked.size === 3, 'three links')
      await fabric.pass(100)
      assert.equal([a.seen.ups.length, a.seen.downs.length, dials], [5, 2, 1])
    }))

  test('a handler that hears of the end of a link may close', () =>
    withThree(newFabric, async (fabric, [a], open) => {
      let closed = false
      onFirstDown(a, () => void a.transport.close().then(() => (closed = true)))
      a.transport.become(memberIn(1, 0, 3), at(fabric, 1, 2))
      await fabric.until(() => closed, 'the end')
      assert.equal([a.seen.downs.toSorted(), a.seen.ups.length], [[1, 2], 2])
      const again = await open({ identity: memberIn(1, 0, 3) })
      await fabric.until(() => again.seen.linked.size === 2, 'links of the one that came after')
      assert.is(a.seen.ups.length, 2)
    }))

  test('closing right after another identity was taken ends everything, and nothing is taken after closing', () =>
    withPair(newFabric, async (fabric, [a, b], open) => {
      a.transport.become(memberIn(1, 0, 2), at(fabric, 1))
      await a.transport.close()
      a.transport.become(memberIn(2, 0, 2), at(fabric, 1))
      a.transport.dial(1, fabric.address(1))
      const again = await open({ identity: memberIn(3, 0, 2) })
      await fabric.until(() => again.seen.linked.has(1) && b.seen.linked.has(0), 'the links of the one after it')
      await fabric.pass(100)
      assert.equal([a.seen.ups, a.seen.downs, b.seen.identities.get(0)?.epoch], [[1], [1], 3])
    }))

  test('a drop right after another identity was taken leaves the links that are being made', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      a.transport.become(memberIn(1, 0, 2), at(fabric, 1))
      a.transport.drop(1)
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      assert.equal([a.seen.ups, a.seen.downs], [[1, 1], [1]])
      a.transport.drop(1)
      await fabric.until(() => a.seen.downs.length === 2 && b.seen.downs.length === 2, 'the end of both links')
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links again')
    }))

  test('an identity that is taken before the start is the one that peers meet', () =>
    withFabric(newFabric, async (fabric, open) => {
      const b = await open({ identity: identityOf(1, 2), peers: new Map() })
      const a = await open({ identity: identityOf(0, 2), peers: new Map() }, ({ transport }) => {
        transport.become(memberIn(4, 0, 2), at(fabric, 0, 1))
        transport.dial(3, fabric.address(3))
      })
      const late = await open({ identity: identityOf(3, 4), peers: at(fabric, 0) })
      await fabric.until(() => a.seen.linked.size === 2 && late.seen.linked.has(0), 'the links')
      assert.is(late.seen.identities.get(0)?.epoch, 4)
      assert.equal(b.seen.drops, [])
    }))

  test('an identity that cannot be changes nothing', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      const joiner = { ...identityOf(0, 2), members: null, id: -1 }
      for (const [identity, peers] of [
        [identityOf(2, 2), at(fabric, 1)],
        [{ ...identityOf(0, 2), members: null }, at(fabric)],
        [joiner, at(fabric, 1)],
      ] as const) {
        assert.throws(() => a.transport.become(identity, peers), isConfiguration)
      }
      assert.ok(a.transport.send(1, numbered(1, 0)) && b.transport.send(0, numbered(2, 0)))
      await fabric.until(() => a.seen.from(1).length + b.seen.from(0).length === 2, 'a frame each way')
      assert.equal([a.seen.ups, a.seen.downs], [[1], []])
    }))
}

/** Peers beside those that came with the identity. */
export function dialTests(test: Test, newFabric: NewFabric): void {
  test('a peer that was removed and is dialled again is linked, until the next identity', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      a.transport.become(memberIn(1, 0, 2), new Map())
      a.transport.dial(1, fabric.address(1))
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      assert.is(b.seen.identities.get(0)?.epoch, 1)
      a.transport.become(memberIn(2, 0, 2), new Map())
      assert.equal(
        [a.seen.ups, a.seen.downs],
        [
          [1, 1],
          [1, 1],
        ],
      )
      await fabric.until(() => b.seen.downs.length === 2 && b.seen.linked.has(0), 'the link of the other one')
      await fabric.pass(200)
      assert.equal([a.seen.ups, b.seen.identities.get(0)?.epoch], [[1, 1], 2])
    }))

  test('the same address again has no effect, another one ends the link and makes one there', () =>
    withPair(newFabric, async (fabric, [a, b], open) => {
      a.transport.dial(1, fabric.address(1))
      assert.ok(a.transport.send(1, numbered(1, 0)))
      const moved = await open({ identity: identityOf(1, 2), address: 4, peers: new Map() })
      a.transport.dial(1, fabric.address(4))
      assert.equal([a.seen.downs, a.transport.send(1, numbered(2, 0))], [[1], false])
      await fabric.until(() => a.seen.linked.has(1), 'the link')
      assert.ok(a.transport.send(1, numbered(3, 0)))
      await fabric.until(() => moved.seen.from(0).length === 1, 'the frame')
      assert.equal([moved.seen.from(0), a.seen.ups, b.seen.downs], [[numbered(3, 0)], [1, 1], []])
    }))

  test('an address where nobody listened yet is left for another one, and never dialled again', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2) })
      await fabric.pass(60)
      a.transport.dial(1, fabric.address(4))
      const asked: number[] = []
      const left = await open({ identity: identityOf(1, 2), peers: new Map() })
      left.seen.admit = async (peer) => {
        asked.push(peer)
        return 'yes'
      }
      await open({ identity: identityOf(1, 2), address: 4, peers: new Map() })
      await fabric.until(() => a.seen.linked.has(1), 'the link')
      await fabric.pass(300)
      assert.equal([asked, a.seen.ups], [[], [1]])
    }))

  test('oneself is not dialled', () =>
    withPair(newFabric, async (fabric, [a]) => {
      assert.throws(() => a.transport.dial(0, fabric.address(0)), isConfiguration)
    }))
}

/** Replica 0, which is linked with 1 and 2. */
function withThree(
  newFabric: NewFabric,
  story: (fabric: Fabric, nodes: readonly [Node, Node, Node], open: Open) => Promise<void>,
): Promise<void> {
  return withFabric(newFabric, async (fabric, open) => {
    const a = await open({ identity: identityOf(0, 3) })
    const one = await open({ identity: identityOf(1, 3), peers: new Map() })
    const two = await open({ identity: identityOf(2, 3), peers: new Map() })
    await fabric.until(() => a.seen.linked.size === 2, 'both links')
    await story(fabric, [a, one, two], open)
  })
}

function onFirstDown({ seen }: Node, action: () => void): void {
  const down = seen.down.bind(seen)
  seen.down = (peer) => {
    seen.down = down
    down(peer)
    action()
  }
}

function isConfiguration(error: unknown): boolean {
  return (error as EpaxosError).code === ErrorCode.configuration
}

/** Whole numbers below a limit, from a seed. */
function lottery(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
