import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { type EpaxosError, ErrorCode } from '../../src/errors.ts'
import { claimOf as claimed } from '../../src/transport/admission.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { type Fabric, type Node, numbered, withFabric, withPair } from './fabric.ts'
import { identityOf, joinerAt, membersIn, standingOf } from './observer.ts'

type NewFabric = () => Promise<Fabric>

/** Records what a node hears in handshakes, and admits everybody. */
function hears({ seen }: Node): { readonly claim: Claim; readonly dialled: boolean; readonly as: number }[] {
  const heard: { readonly claim: Claim; readonly dialled: boolean; readonly as: number }[] = []
  seen.admit = async (_, claim, dialled, as) => {
    heard.push({ claim, dialled, as })
    return 'yes'
  }
  return heard
}

/** Replicas that belong to no cluster. */
export function joinerTests(test: Test, newFabric: NewFabric): void {
  test('a joiner is known under each id under which it is dialled at once, and dials back with it', () =>
    withFabric(newFabric, async (fabric, open) => {
      const members = membersIn(1, 2)
      const joiner = await open({ identity: joinerAt(fabric.address(4)), address: 4 })
      joiner.seen.says = standingOf({ clusterId: 'c'.repeat(32), founded: true })
      const at = (id: number) => ({ ...identityOf(id, 2, { members, address: fabric.address(id) }) })
      const nodes = [await open({ identity: at(0) }), await open({ identity: at(1) })] as const
      await fabric.until(() => nodes.every(({ seen }) => seen.linked.size === 1), 'the links of the members')
      const heard = nodes.map(hears)
      const called: number[][] = []
      joiner.seen.admit = async (peer, { address }, dialled, as) => {
        called.push([peer, as, Number(dialled)])
        if (!dialled) joiner.transport.dial(peer, address, as)
        return 'yes'
      }
      for (const [id, { transport }] of nodes.entries()) transport.dial(7 + id, fabric.address(4))
      await fabric.until(() => joiner.seen.linked.size === 2, 'the links of the joiner')
      await fabric.until(() => nodes.every(({ seen }, id) => seen.linked.has(7 + id)), 'the links to the joiner')
      assert.equal(called.map(String).toSorted(), ['0,7,0', '0,7,1', '1,8,0', '1,8,1'])
      for (const [id, { transport, seen }] of nodes.entries()) {
        const own = { id: 7 + id, epoch: 0, replicas: 0, clusterId: null, founded: false }
        assert.equal(heard[id]?.map(({ dialled }) => dialled).toSorted(), [false, true])
        for (const { claim, as } of heard[id] ?? []) {
          assert.equal({ ...claim, ...own, as }, { ...claim, as: id })
          assert.equal([claim.address, claim.incarnation], [fabric.address(4), new Uint8Array(16).fill(99)])
        }
        assert.ok(transport.send(7 + id, numbered(id, 0)) && joiner.transport.send(id, numbered(10 + id, 0)))
        await fabric.until(() => seen.from(7 + id).length === 1 && joiner.seen.from(id).length === 1, 'frames')
        assert.equal([seen.from(7 + id)[0], joiner.seen.from(id)[0]], [numbered(10 + id, 0), numbered(id, 0)])
      }
    }))

  test('a joiner that becomes a member links under its id', () =>
    withFabric(newFabric, async (fabric, open) => {
      const joiner = await open({ identity: joinerAt(fabric.address(1)), address: 1 })
      const a = await open({ identity: identityOf(0, 2, { members: membersIn(1, 2) }), peers: new Map() })
      a.transport.dial(9, fabric.address(1))
      await fabric.until(() => a.seen.linked.has(9), 'the link to the joiner')
      a.transport.become(identityOf(0, 2, { members: membersIn(2, 2) }), new Map([[1, fabric.address(1)]]))
      const own = identityOf(1, 2, { members: membersIn(2, 2) })
      joiner.transport.become(own, new Map([[0, fabric.address(0)]]))
      await fabric.until(() => a.seen.linked.has(1) && joiner.seen.linked.has(0), 'both links')
      assert.equal([a.seen.identities.get(1)?.epoch, a.seen.linked.size], [2, 1])
    }))

  test('a joiner that dials under another id makes another link', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2), peers: new Map() })
      const joiner = await open({ identity: joinerAt(fabric.address(4)), address: 4 })
      joiner.transport.dial(0, fabric.address(0), 7)
      await fabric.until(() => joiner.seen.linked.has(0), 'the link')
      joiner.transport.dial(0, fabric.address(0), 7)
      assert.equal(joiner.seen.downs, [])
      joiner.transport.dial(0, fabric.address(0), 8)
      assert.equal(joiner.seen.downs, [0])
      await fabric.until(() => joiner.seen.linked.has(0), 'the other link')
      joiner.transport.send(0, numbered(1, 0))
      await fabric.until(() => a.seen.from(8).length === 1, 'a frame')
    }))

  test('a joiner without an id to say, or with that of the peer, does not dial', () =>
    withFabric(newFabric, async (fabric, open) => {
      const { transport } = await open({ identity: joinerAt(fabric.address(4)), address: 4 })
      for (const as of [undefined, -1, 0.5, 0]) {
        assert.throws(
          () => transport.dial(0, fabric.address(0), as),
          (error: unknown) => (error as EpaxosError).code === ErrorCode.configuration,
        )
      }
    }))

  test('who is no member of an epoch is refused by its members, and judged by those of another one', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2), peers: new Map() })
      const heard = hears(a)
      const removed = identityOf(2, 3)
      const members = { ...membersIn(0, 3), quorums: membersIn(0, 2).quorums }
      const b = await open({ identity: { ...removed, members }, peers: new Map([[0, fabric.address(0)]]) })
      await fabric.until(() => b.seen.refusals.length > 0, 'the refusal')
      assert.equal([b.seen.refusals[0]?.reason, heard.length], ['row', 0])
      b.transport.become(identityOf(2, 3, { members: membersIn(1, 3) }), new Map([[0, fabric.address(0)]]))
      await fabric.until(() => b.seen.linked.has(0), 'the link')
      assert.equal([heard[0]?.claim.epoch, heard[0]?.claim.replicas], [1, 3])
    }))
}

/** The code of the error of a probe, and its text. */
async function failure(probe: Promise<Claim>): Promise<{ code: string; message: string }> {
  try {
    await probe
  } catch (error) {
    const { code, message } = error as EpaxosError
    return { code, message }
  }
  throw new Error('the probe got an answer')
}

/** Handshakes without a link. */
export function probeTests(test: Test, newFabric: NewFabric): void {
  test('a probe hears what a member and a joiner say about themselves, and makes no link', () =>
    withFabric(newFabric, async (fabric, open) => {
      const secret = Uint8Array.of(1, 2, 3)
      const a = await open({ identity: identityOf(0, 2), peers: new Map(), secret })
      const heard = hears(a)
      const b = await open({ identity: identityOf(1, 2), peers: new Map(), secret })
      const joiner = await open({ identity: joinerAt(fabric.address(4)), address: 4, secret })
      const probed = await settled(fabric, [
        a.transport.probe(fabric.address(1), 1),
        a.transport.probe(fabric.address(4), 7),
      ])
      assert.equal(probed, [
        claimed(identityOf(1, 2), b.seen.says, 1),
        claimed(joinerAt(fabric.address(4)), joiner.seen.says, 7),
      ])
      assert.equal([heard, a.seen.ups, a.transport.send(1, numbered(1, 0))], [[], [], false])
      assert.equal([[...b.seen.known.keys()], b.seen.ups, a.seen.drops, b.seen.drops], [[0], [], [], []])
    }))

  test('a probe says why there is no answer, or none that fits', () =>
    withFabric(newFabric, async (fabric, open) => {
      const secret = Uint8Array.of(1, 2)
      const a = await open({ identity: identityOf(0, 2), secret, peers: new Map() })
      const open1 = (changes: object, more = {}) =>
        open({ identity: identityOf(1, 2, changes), secret, peers: new Map(), ...more })
      await open1({})
      await open1({ cluster: 'other' }, { address: 2 })
      await open1({}, { address: 3, secret: Uint8Array.of(9) })
      const judge = await open1({}, { address: 4 })
      judge.seen.admit = async () => 'foreign'
      const cases: readonly (readonly [number, number, string, RegExp])[] = [
        [1, 7, 'refused_by_peers', /refuses this one: another row/],
        [2, 1, 'foreign_cluster', /refuses this one: another cluster/],
        [3, 1, 'unauthorized', /refuses this one: another secret/],
        [4, 1, 'foreign_cluster', /refuses this one: another cluster id/],
      ]
      for (const [place, id, code, why] of cases) {
        const [error] = await settled(fabric, [failure(a.transport.probe(fabric.address(place), id))])
        assert.is(error?.code, code)
        assert.match(error?.message as string, why)
        assert.ok(error?.message.includes(fabric.address(place)))
      }
      assert.equal([a.seen.ups, a.seen.refusals], [[], []])
    }))

  test('a probe of an address where nobody answers ends in time', () =>
    withFabric(newFabric, async (fabric, open) => {
      const a = await open({ identity: identityOf(0, 2), peers: new Map() })
      const [nobody] = await settled(fabric, [failure(a.transport.probe(fabric.address(4), 1))])
      assert.is(nobody?.code, 'unreachable')
      const silent = await open({ identity: identityOf(1, 2), peers: new Map() })
      silent.seen.admit = () => new Promise(() => {})
      let ended: { code: string; message: string } | null = null
      void failure(a.transport.probe(fabric.address(1), 1)).then((error) => {
        ended = error
      })
      await fabric.pass(3100)
      assert.is((ended as { code: string } | null)?.code, 'unreachable')
    }))

  test('a probe ends when its replica takes another identity or closes, and needs one that runs', () =>
    withFabric(newFabric, async (fabric, open) => {
      const early: Promise<{ code: string }>[] = []
      const identity = identityOf(0, 2)
      const a = await open({ identity, peers: new Map() }, ({ transport }) =>
        early.push(failure(transport.probe(fabric.address(1), 1))),
      )
      const silent = await open({ identity: identityOf(1, 2), peers: new Map() })
      let asked = 0
      silent.seen.admit = () => {
        asked++
        return new Promise(() => {})
      }
      const codes: string[] = []
      const whys: string[] = []
      const probe = () =>
        void failure(a.transport.probe(fabric.address(1), 1)).then(({ code, message }) => {
          codes.push(code)
          whys.push(message)
        })
      probe()
      await fabric.until(() => asked === 1, 'the question')
      a.transport.become(identityOf(0, 2, { members: membersIn(1, 2) }), new Map())
      await fabric.until(() => codes.length === 1, 'its end')
      // Not because it took too long.
      assert.match(whys[0] as string, 'another identity')
      probe()
      await fabric.until(() => asked === 2, 'the question')
      await a.transport.close()
      await fabric.until(() => codes.length === 2, 'its end')
      const late = await failure(a.transport.probe(fabric.address(1), 1))
      assert.equal([...codes, late.code, (await early[0])?.code], ['unreachable', 'closed', 'closed', 'closed'])
    }))

  test('a joiner, and a replica that asks for itself, have no id to say in a probe', () =>
    withPair(newFabric, async (fabric, [a], open) => {
      const joiner = await open({ identity: joinerAt(fabric.address(4)), address: 4 })
      const codes = [failure(joiner.transport.probe(fabric.address(0), 0)), failure(a.transport.probe('x:1', 0))]
      assert.equal(
        (await Promise.all(codes)).map(({ code }) => code),
        ['configuration', 'configuration'],
      )
    }))
}

/** The values of promises that settle as the fabric's time goes by. */
async function settled<T>(fabric: Fabric, promises: readonly Promise<T>[]): Promise<T[]> {
  let values: T[] | null = null
  let failed: unknown = null
  Promise.all(promises).then(
    (all) => {
      values = all
    },
    (error) => {
      failed = error
    },
  )
  await fabric.until(() => values !== null || failed !== null, 'the promises')
  if (failed !== null) throw failed
  return values as unknown as T[]
}
