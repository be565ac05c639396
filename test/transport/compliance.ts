import { suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EpaxosError } from '../../src/errors.ts'
import { type Claim, MAX_FRAME_BYTES, type Refusal } from '../../src/transport/transport.ts'
import { volume } from '../support/volumes.ts'
import { becomeTests, dialTests } from './become.ts'
import { type Fabric, type Member, type Node, numbered, withFabric, withPair } from './fabric.ts'
import { joinerTests, probeTests } from './joiners.ts'
import { identityOf, membersIn, Observer, standingOf } from './observer.ts'

/** What every {@link Transport} does, whatever its implementation. */
export function complianceSuite(name: string, newFabric: () => Promise<Fabric>): void {
  const test = suite(`${name} transport`)
  linkTests(test, newFabric)
  frameTests(test, newFabric)
  refusalTests(test, newFabric)
  directoryTests(test, newFabric)
  closingTests(test, newFabric)
  becomeTests(test, newFabric)
  dialTests(test, newFabric)
  joinerTests(test, newFabric)
  probeTests(test, newFabric)
  test.run()
}

function linkTests(test: Test, newFabric: () => Promise<Fabric>): void {
  test('three replicas link both ways, whichever starts first, and learn who the others are', () =>
    withFabric(newFabric, async (fabric, open) => {
      const nodes: Node[] = []
      for (let id = 0; id < 3; id++)
        nodes.push(await open({ identity: identityOf(id, 3, { members: membersIn(id, 3) }) }))
      await fabric.until(() => nodes.every(({ seen }) => seen.linked.size === 2), 'all links')
      for (const [id, { seen }] of nodes.entries()) {
        for (let peer = 0; peer < 3; peer++) {
          if (peer === id) continue
          const { members: _members, ...own } = identityOf(peer, 3)
          const announced = { ...own, epoch: peer, replicas: 3 }
          assert.equal(seen.identities.get(peer), announced)
          assert.is(seen.ups.filter((up) => up === peer).length, 1)
        }
        assert.equal([seen.downs, seen.refusals, seen.drops], [[], [], []])
      }
    }))

  test('replicas that share a secret link', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2), secret: Uint8Array.of(1, 2, 3) })
      const b = await open({ identity: identityOf(1, 2), secret: Uint8Array.of(1, 2, 3) })
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
    }))

  test('a peer that restarts with its incarnation is linked again, and what was sent meanwhile was refused', () =>
    withPair(newFabric, async (fabric, [a, b], open) => {
      await b.transport.close()
      await fabric.until(() => a.seen.downs.length === 1, 'the end of the link')
      assert.not(a.transport.send(1, Uint8Array.of(1)))
      assert.is(a.transport.buffered(1), 0)
      const again = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => a.seen.linked.has(1) && again.seen.linked.has(0), 'the links after the restart')
      assert.ok(a.transport.send(1, Uint8Array.of(2)))
      assert.ok(again.transport.send(0, Uint8Array.of(3)))
      await fabric.until(() => again.seen.from(0).length + a.seen.from(1).length === 2, 'frames after the restart')
      assert.equal([again.seen.from(0), a.seen.from(1)], [[Uint8Array.of(2)], [Uint8Array.of(3)]])
      assert.equal([a.seen.ups, a.seen.downs], [[1, 1], [1]])
    }))

  test('frames before a link is up, to oneself and to nobody are refused', () =>
    withFabric(newFabric, async (fabric, open) => {
      const { transport } = await open({ identity: identityOf(0, 2) })
      for (const peer of [1, 0, 2, -1, 0.5]) {
        assert.not(transport.send(peer, Uint8Array.of(1)))
        assert.is(transport.buffered(peer), 0)
      }
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => b.seen.linked.has(0), 'the link')
      assert.is(b.seen.from(0).length, 0)
    }))
}

function frameTests(test: Test, newFabric: () => Promise<Fabric>): void {
  test('thousands of frames arrive whole and in order, both ways at once', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      const count = 5000
      for (let i = 0; i < count; i++) {
        assert.ok(a.transport.send(1, numbered(i, i % 300)))
        assert.ok(b.transport.send(0, numbered(count - i, 8)))
      }
      const arrived = () => a.seen.from(1).length === count && b.seen.from(0).length === count
      await fabric.until(arrived, 'all frames')
      for (let i = 0; i < count; i++) {
        assert.equal(b.seen.from(0)[i], numbered(i, i % 300))
        assert.equal(a.seen.from(1)[i], numbered(count - i, 8))
      }
      volume('frames sent over links', 2 * count)
    }))

  test('frames of nothing, of 8 MiB and of the limit arrive whole, at any offset of the sender', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      const large = new Uint8Array(MAX_FRAME_BYTES + 3).map((_, i) => (i * 31) ^ (i >> 8))
      const frames = [new Uint8Array(0), large.subarray(1, (8 << 20) + 1), large.subarray(3), numbered(1, 0)]
      for (const frame of frames) assert.ok(a.transport.send(1, frame))
      await fabric.until(() => b.seen.from(0).length === frames.length, 'the frames')
      for (const [i, frame] of frames.entries()) {
        assert.is(Buffer.compare(frame, b.seen.from(0)[i] as Uint8Array), 0, `frame ${i}`)
      }
      assert.is(a.transport.buffered(1), 0)
    }))

  test('a frame above the limit is not sent: the link is closed, and comes back', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      assert.not(a.transport.send(1, new Uint8Array(MAX_FRAME_BYTES + 1)))
      assert.not(a.transport.send(1, Uint8Array.of(1)), 'nothing overtakes the hole')
      await fabric.until(() => a.seen.downs.length === 1 && a.seen.linked.has(1), 'the link again')
      assert.is(a.seen.drops.length, 1)
      assert.ok(a.transport.send(1, Uint8Array.of(2)))
      await fabric.until(() => b.seen.from(0).length > 0, 'a frame on the new link')
      assert.equal(b.seen.from(0), [Uint8Array.of(2)])
    }))

  test('a link that brought a damaged frame is closed, and comes back', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      b.seen.onFrame = (_, bytes) => bytes[0] !== 7
      a.transport.send(1, Uint8Array.of(7))
      await fabric.until(() => a.seen.downs.length === 1 && a.seen.linked.has(1), 'the link again')
      assert.is(b.seen.downs.length, 0, 'the link in the other direction stays')
      a.transport.send(1, Uint8Array.of(2))
      await fabric.until(() => b.seen.from(0).length > 1, 'a frame on the new link')
      assert.equal(b.seen.from(0), [Uint8Array.of(7), Uint8Array.of(2)])
      assert.is(a.seen.downs.length, 1)
    }))

  test("a frame's bytes are gone when its handler has returned", () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      let kept: Uint8Array = new Uint8Array(0)
      b.seen.onFrame = (_, bytes) => {
        assert.is(bytes.length, 4)
        kept = bytes
        return true
      }
      const sent = Uint8Array.of(1, 2, 3, 4)
      a.transport.send(1, sent)
      await fabric.until(() => b.seen.from(0).length === 1, 'the frame')
      await null
      assert.is(kept.length, fabric.keepsFrames ? 4 : 0)
      assert.equal(sent, Uint8Array.of(1, 2, 3, 4), 'the sender keeps its own')
    }))

  test('a handler may send: an answer to each frame comes back', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      b.seen.onFrame = (from, bytes) => b.transport.send(from, bytes.slice().reverse())
      for (let i = 0; i < 100; i++) a.transport.send(1, numbered(i, 0))
      await fabric.until(() => a.seen.from(1).length === 100, 'the answers')
      assert.equal(a.seen.from(1)[99], numbered(99, 0).reverse())
    }))
}

function refusalTests(test: Test, newFabric: () => Promise<Fabric>): void {
  /** Replica 0 as it should be, and a second one: both are refused, or only the one that is named. */
  const refusal = (title: string, reason: Refusal, second: Member, first: Member = { identity: identityOf(0, 2) }) =>
    test(title, () =>
      withFabric(newFabric, async (fabric, open) => {
        const a = await open(first)
        const b = await open(second)
        await fabric.until(() => b.seen.refusals.length > 1, 'refusals, again and again')
        assert.equal(b.seen.refusals[0], { peer: 0, reason, clusterId: null })
        assert.ok(a.seen.drops.some((what) => what === `link refused: ${reason}`))
        assert.equal([a.seen.ups, b.seen.ups], [[], []])
        assert.not(b.transport.send(0, Uint8Array.of(1)))
        assert.equal([...a.seen.known], [], 'nothing of a refused replica is written down')
      }),
    )
  refusal('a replica of another cluster is refused', 'cluster', { identity: identityOf(1, 2, { cluster: 'other' }) })
  refusal('a replica of a larger cluster is refused', 'replicas', { identity: identityOf(1, 3) })
  const restored = (id: number, backup: string) => ({ identity: identityOf(id, 2, { origin: backup.repeat(64) }) })
  refusal('a replica with the state of another backup is refused', 'origin', restored(1, 'a'), restored(0, 'b'))
  refusal('a replica that begins empty is refused', 'origin', { identity: identityOf(1, 2) }, restored(0, 'b'))
  refusal('a replica with the state of a backup is refused by one that began empty', 'origin', restored(1, 'a'))

  test('a replica that joined later was not restored, and links with those that were', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open(restored(0, 'a'))
      const b = await open({ identity: identityOf(1, 2, { members: membersIn(1, 2) }) })
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
    }))

  const [right, wrong] = [Uint8Array.of(1, 2), Uint8Array.of(1, 3)]
  const guarded = { identity: identityOf(0, 2), secret: right }
  refusal('a wrong secret is refused', 'secret', { identity: identityOf(1, 2), secret: wrong }, guarded)
  refusal('no secret is refused where there is one', 'secret', { identity: identityOf(1, 2) }, guarded)
  refusal('a secret is refused where there is none', 'secret', { identity: identityOf(1, 2), secret: wrong })

  test('a replica at the address of another one is refused and not linked to', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 3) })
      const c = await open({ identity: identityOf(2, 3), address: 1 })
      await fabric.until(() => a.seen.refusals.length > 1, 'refusals')
      assert.equal(a.seen.refusals[0], { peer: 1, reason: 'row', clusterId: null })
      assert.equal(a.seen.ups, [])
      assert.ok(c.seen.drops.includes('link refused: row'))
    }))

  test('a replica that lost its memory is refused in both directions, one that kept it is linked (scenario 12)', () =>
    withPair(newFabric, async (fabric, [a, b], open) => {
      await b.transport.close()
      await fabric.until(() => a.seen.downs.length === 1, 'the end of the link')
      const amnesiac = await open({ identity: identityOf(1, 2, { incarnation: new Uint8Array(16) }) })
      const noted = () => a.seen.drops.some((what) => what.includes('another incarnation'))
      await fabric.until(() => amnesiac.seen.refusals.length > 0 && noted(), 'refusals in both directions')
      assert.equal(amnesiac.seen.refusals[0], { peer: 0, reason: 'amnesiac', clusterId: null })
      assert.equal([a.seen.ups, amnesiac.seen.ups, a.seen.refusals], [[1], [], []])
      await amnesiac.transport.close()
      const again = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => a.seen.linked.has(1) && again.seen.linked.has(0), 'the links of the one that kept it')
    }))

  test('a replica that cannot find out whether it may link does not, and is asked again', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2) })
      let failures = 0
      const admit = a.seen.admit.bind(a.seen)
      a.seen.admit = (peer, claim, dialled, as) =>
        ++failures < 3 ? Promise.reject(new Error('disk')) : admit(peer, claim, dialled, as)
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      assert.ok(failures > 3)
      assert.equal(b.seen.refusals, [])
    }))
}

function directoryTests(test: Test, newFabric: () => Promise<Fabric>): void {
  const clusterId = 'c'.repeat(32)

  for (const reason of ['foreign', 'amnesiac', 'copy'] as const) {
    test(`what is refused as ${reason} hears so, with the id of the cluster that refuses it`, () =>
      withFabric(newFabric, async (fabric, open) => {
        const [own, secret] = [identityOf(0, 2), Uint8Array.of(1, 2)]
        const a = await open({ identity: own, secret })
        a.seen.says = standingOf({ clusterId, founded: true })
        a.seen.admit = async () => reason
        const b = await open({ identity: identityOf(1, 2), secret })
        await fabric.until(() => b.seen.refusals.length > 1 && a.seen.drops.length > 1, 'refusals, again and again')
        assert.equal(b.seen.refusals[0], { peer: 0, reason, clusterId })
        assert.equal([a.seen.ups, b.seen.ups], [[], []])
      }))
  }

  test('each handshake says what holds at its time', () =>
    withFabric(newFabric, async (fabric, open) => {
      const heard: (readonly [Claim, boolean])[] = []
      const a = await open({ identity: identityOf(0, 2) })
      a.seen.admit = async (_, claim, dialled) => {
        heard.push([claim, dialled])
        return 'yes'
      }
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links')
      b.seen.says = standingOf({
        start: { number: 2, nonce: new Uint8Array(16) },
        journal: 5,
        clusterId,
        founded: true,
      })
      const before = heard.length
      a.transport.drop(1)
      await fabric.until(
        () => [true, false].every((way) => heard.slice(before).some(([, d]) => d === way)),
        'both ways',
      )
      for (const [claim] of heard.slice(before)) {
        assert.equal(
          [claim.start, claim.journal, claim.clusterId, claim.founded],
          [b.seen.says.start, 5, clusterId, true],
        )
      }
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links again')
    }))

  test('a peer that is of no use yet is dialled again, without being up', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2) })
      let asked = 0
      a.seen.admit = async (_peer, _claim, dialled) => (dialled && ++asked < 4 ? 'again' : 'yes')
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => b.seen.linked.has(0), 'the link of the other one')
      await fabric.until(() => asked === 2, 'it to be asked again')
      assert.equal([a.seen.ups, a.seen.drops], [[], []])
      await fabric.until(() => a.seen.linked.has(1), 'its link')
      assert.is(asked, 4)
    }))

  test('what is dropped is not heard any more, in either direction, and links again', () =>
    withPair(newFabric, async (fabric, [a, b]) => {
      a.seen.onFrame = () => {
        a.transport.drop(1)
        return true
      }
      for (let i = 0; i < 10; i++) b.transport.send(0, numbered(i, 0))
      await fabric.until(() => a.seen.downs.length === 1 && b.seen.downs.length === 1, 'both ends')
      assert.is(a.seen.from(1).length, 1)
      a.seen.onFrame = () => true
      await fabric.until(() => a.seen.linked.has(1) && b.seen.linked.has(0), 'both links again')
      b.transport.send(0, numbered(11, 0))
      await fabric.until(() => a.seen.from(1).length === 2, 'a frame on the new link')
    }))

  test('a drop leaves the link alone that is being made', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2) })
      a.seen.admit = async (peer, _claim, _dialled) => {
        a.transport.drop(peer)
        return 'yes'
      }
      const b = await open({ identity: identityOf(1, 2) })
      await fabric.until(() => b.seen.linked.has(0) || a.seen.linked.has(1), 'a link')
    }))
}

function closingTests(test: Test, newFabric: () => Promise<Fabric>): void {
  test('closing frees the address, reports each link once, and nothing after it', () =>
    withPair(newFabric, async (fabric, [a, b], open) => {
      for (let i = 0; i < 100; i++) b.transport.send(0, numbered(i, 0))
      await a.transport.close()
      const { ups, downs, refusals, drops } = a.seen
      const before = [a.seen.from(1).length, ups.length, downs.length, refusals.length, drops.length]
      assert.equal([ups, downs], [[1], [1]])
      assert.not(a.transport.send(1, Uint8Array.of(1)))
      await a.transport.close()
      await fabric.until(() => b.seen.downs.length === 1, 'the end of the link')
      const again = await open({ identity: identityOf(0, 2) })
      await fabric.until(() => again.seen.linked.has(1) && b.seen.linked.has(0), 'links to the one that came after')
      assert.equal([a.seen.from(1).length, ups.length, downs.length, refusals.length, drops.length], before)
    }))

  test('an address is listened on once', () =>
    withFabric(newFabric, async (fabric, open) => {
      await open({ identity: identityOf(0, 2) })
      const second = fabric.transport({ identity: identityOf(0, 2) })
      try {
        await second.start(new Observer())
        assert.unreachable()
      } catch (error) {
        assert.is((error as EpaxosError).code, 'configuration')
      }
      await second.close()
    }))

  test('a transport closes before it starts, and starts once', () =>
    withFabric(newFabric, async (fabric, open) => {
      const unused = fabric.transport({ identity: identityOf(1, 2) })
      await unused.close()
      const { transport } = await open({ identity: identityOf(0, 2) })
      for (const one of [unused, transport]) {
        try {
          await one.start(new Observer())
          assert.unreachable()
        } catch (error) {
          assert.is((error as EpaxosError).code, 'closed')
        }
      }
    }))
}
