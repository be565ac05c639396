import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { run } from './campaign.ts'
import type { Place } from './place.ts'
import { add, ask, founded, idsOf, joiner, load, reached, settled } from './steps.ts'
import { STORIES } from './stories.ts'
import { foreigner } from './strangers.ts'
import type { World } from './world.ts'

/** Changes of the members (protocol.md §11), in virtual time: stories. */
const test = suite('epochs')

test('a member is added, and has the state', async () => {
  const world = await founded(3)
  const [zero, one] = world.places as [Place, Place]
  assert.is(await settled(world, ask(zero, 'a k x')), '1')
  const place = await add(world, zero)
  assert.is(zero.epoch, 1)
  await reached(world, () => world.places.every(({ ready }) => ready), 'all take part')
  assert.is(place.seat?.id, 3)
  assert.is(await settled(world, ask(place, 'r k')), 'x')
  assert.is(await settled(world, ask(place, 'a k y')), '2')
  assert.is(await settled(world, ask(one, 'r k')), 'x,y')
})

test('a cluster grows from one to five, loses two, replaces one and shrinks to three, under load', async () => {
  const world = await founded(1)
  const [zero] = world.places as [Place]
  const unload = load(world)
  const one = await add(world, zero)
  const two = await add(world, one)
  assert.equal(idsOf(two), [0, 1, 2])
  await add(world, two)
  const four = await add(world, zero)
  await reached(world, () => world.places.every(({ ready }) => ready), 'five take part')
  assert.equal(idsOf(zero), [0, 1, 2, 3, 4])
  one.crash()
  four.crash()
  await world.run(2000)
  const five = await joiner(world, four.address)
  assert.is(await settled(world, zero.change({ kind: 'replace', id: 4, address: four.address })), null)
  await reached(world, () => five.ready, 'the one at the same address takes part')
  assert.is(five.id, 5)
  assert.is(await settled(world, two.change({ kind: 'remove', id: 1 })), null)
  await reached(world, () => five.epoch === 6 && five.ready && zero.ready, 'four take part')
  assert.is(await settled(world, five.change({ kind: 'remove', id: 0 })), null)
  await reached(world, () => zero.ended === 'removed', 'the removed one ends')
  await reached(world, () => five.ready && two.ready, 'three take part')
  assert.equal(idsOf(five), [2, 3, 5])
  await unload()
})

test('the removed one may be the one that is asked', async () => {
  const world = await founded(3)
  const [zero, one] = world.places as [Place, Place]
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 0 })), null)
  await reached(world, () => zero.ended === 'removed' && one.ready, 'it ends, the others go on')
  assert.equal(idsOf(one), [1, 2])
})

test('who closes an epoch itself keeps its state; who follows takes that of a peer', async () => {
  const world = await founded(3)
  const [zero, one, two] = world.places as [Place, Place, Place]
  const restores = [0, 0, 0]
  for (const [i, { machine }] of [zero, one, two].entries()) {
    const restore = machine.restore.bind(machine)
    machine.restore = (chunks) => {
      restores[i] = (restores[i] as number) + 1
      restore(chunks)
    }
  }
  assert.is(await settled(world, ask(zero, 'a k x')), '1')
  for (const id of [0, 1]) {
    world.network.cut(id, 2)
    world.network.cut(2, id)
  }
  const three = await joiner(world)
  assert.is(await settled(world, zero.change({ kind: 'add', address: three.address })), null)
  await reached(world, () => zero.ready && three.ready, 'the others go on')
  assert.is(await settled(world, ask(zero, 'a k y')), '2')
  for (const id of [0, 1]) {
    world.network.heal(id, 2)
    world.network.heal(2, id)
  }
  await reached(world, () => world.places.every(({ ready }) => ready), 'all take part')
  assert.equal(restores, [0, 0, 1])
  for (const place of world.places) assert.is(await settled(world, ask(place, 'r k')), 'x,y')
})

test('who stays away is removed when too much is kept for it, and comes back as a new member', async () => {
  const world = await founded(3, { heldLimitBytes: 20_000 })
  const [zero, , two] = world.places as [Place, Place, Place]
  const unload = load(world)
  two.crash()
  await reached(world, () => idsOf(zero).join() === '0,1', 'it is removed')
  assert.equal(zero.seat?.members?.mayReturn, [2])
  two.start()
  await reached(world, () => two.ended === 'removed', 'it learns that')
  await reached(world, () => idsOf(zero).join() === '0,1,3', 'it is a new member')
  const three = world.places.at(-1) as Place
  await reached(world, () => three.ready, 'it takes part')
  assert.equal([three.address, three.seat?.members?.mayReturn], [two.address, []])
  await unload()
})

test('who was removed by an operator does not come back by itself', async () => {
  const world = await founded(3, { heldLimitBytes: 20_000 })
  const [zero, , two] = world.places as [Place, Place, Place]
  two.crash()
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 2 })), null)
  two.start()
  await reached(world, () => two.ended === 'removed', 'it learns that')
  await world.run(5000)
  assert.equal([idsOf(zero), world.places.length], [[0, 1], 3])
})

test('a member that was stopped before a change comes back after two', async () => {
  const world = await founded(3)
  const [zero, one, two] = world.places as [Place, Place, Place]
  two.crash()
  const three = await add(world, zero)
  await reached(world, () => one.ready, 'the others go on')
  assert.is(await settled(world, ask(one, 'a k x')), '1')
  await add(world, three)
  two.start()
  await reached(world, () => two.ready, 'it follows')
  assert.is(two.epoch, 2)
  assert.is(two.id, 2)
  assert.is(await settled(world, ask(two, 'r k')), 'x')
  assert.is(world.watch.counters.get('epochs jumped over'), 1)
})

test('a member that was stopped before its removal learns of it, and ends', async () => {
  const world = await founded(3)
  const [zero, one, two] = world.places as [Place, Place, Place]
  two.crash()
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 2 })), null)
  await reached(world, () => zero.ready && one.ready, 'the others go on')
  two.start()
  await reached(world, () => two.ended === 'removed', 'it ends')
  assert.is(world.watch.counters.get('removed replicas that learn it late'), 1)
})

test('a removed member that comes late stays until a quorum of the others has what it has', async () => {
  const world = await founded(3)
  const [zero, one, two] = world.places as [Place, Place, Place]
  two.crash()
  one.fill(true, false)
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 2 })), null)
  two.start()
  await world.run(8000)
  assert.is(one.directory.durableEpoch, 0)
  assert.is(two.ended, null)
  one.fill(false, false)
  await reached(world, () => two.ended === 'removed' && one.ready, 'it ends')
})

test('a removed replica that is started again ends again', async () => {
  const world = await founded(3)
  const [zero, one, two] = world.places as [Place, Place, Place]
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 2 })), null)
  await reached(world, () => two.ended === 'removed' && one.ready, 'it ends')
  two.start()
  await reached(world, () => two.ended === 'removed', 'it ends again')
})

const WRONG: readonly (readonly [string, (world: World) => Promise<Parameters<Place['change']>[0]>])[] = [
  ['a member that is not there', async () => ({ kind: 'remove', id: 7 })],
  [
    'the replacement of a member that is not there',
    async (world) => {
      const { address } = await joiner(world)
      return { kind: 'replace', id: 7, address }
    },
  ],
  ['the address of a member', async (world) => ({ kind: 'add', address: (world.places[1] as Place).address })],
  [
    'the address of another member',
    async (world) => {
      return { kind: 'replace', id: 0, address: (world.places[1] as Place).address }
    },
  ],
  [
    'the address of a replica of another cluster',
    async (world) => {
      const place = await foreigner(world, 1)
      place.start()
      await world.run(50)
      return { kind: 'add', address: place.address }
    },
  ],
  [
    'a directory that was a member',
    async (world) => {
      const [zero, , two] = world.places as [Place, Place, Place]
      await settled(world, zero.change({ kind: 'remove', id: 2 }))
      await reached(world, () => two.ended === 'removed' && zero.ready, 'it ends')
      // It stays as long as nobody answers it.
      for (const id of [0, 1]) {
        world.network.cut(id, 2)
        world.network.cut(2, id)
      }
      two.start()
      await world.run(100)
      for (const id of [0, 1]) world.network.heal(id, 2)
      return { kind: 'add', address: two.address }
    },
  ],
]

for (const [what, requestOf] of WRONG) {
  test(`refused: ${what}`, async () => {
    const world = await founded(3)
    const request = await requestOf(world)
    const [zero, one] = world.places as [Place, Place]
    const { epoch } = zero
    const code = await settled(world, zero.change(request, true))
    assert.ok(code === 'bad_change' || code === 'foreign_cluster' || code === 'refused_by_peers', String(code))
    await world.run(1000)
    assert.is(zero.epoch, epoch)
    assert.is(await settled(world, ask(one, 'a k x')), '1')
  })
}

test('refused: the last member', async () => {
  const world = await founded(1)
  const [zero] = world.places as [Place]
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 0 }, true)), 'bad_change')
  assert.is(zero.epoch, 0)
})

test('refused: members with durability memory', async () => {
  const world = await founded(3, { memory: true })
  const [zero] = world.places as [Place]
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 1 }, true)), 'bad_change')
  assert.is(await settled(world, ask(zero, 'a k x')), '1')
})

test('refused: an address where nobody is', async () => {
  const world = await founded(3)
  const [zero] = world.places as [Place]
  assert.is(await settled(world, zero.change({ kind: 'add', address: 'nobody:1' }, true)), 'unreachable')
})

test('of two changes at a time one is refused', async () => {
  const world = await founded(3)
  const [zero, one] = world.places as [Place, Place]
  const [three, four] = [await joiner(world), await joiner(world)]
  const changes = [
    zero.change({ kind: 'add', address: three.address }),
    one.change({ kind: 'add', address: four.address }),
  ]
  const codes = await settled(world, Promise.all(changes))
  assert.equal([...codes].sort(), ['bad_change', null])
  await world.run(3000)
  assert.is(zero.epoch, 1)
  assert.equal([three, four].map(({ ready }) => ready).sort(), [false, true])
})

test('refused without force: members that would have no quorum up', async () => {
  const world = await founded(4)
  const [zero, one, two, three] = world.places as [Place, Place, Place, Place]
  three.crash()
  await world.run(6000)
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 2 })), null)
  await reached(world, () => two.ended === 'removed' && zero.ready && one.ready, 'three are left, one of them down')
  assert.is(await settled(world, zero.change({ kind: 'remove', id: 1 })), 'no_quorum')
})

for (const [what, story] of Object.entries(STORIES)) test(what, story)

/** Some seconds of them; `main.ts` runs more. */
const SEEDS = 15

test('clusters keep every promise under faults, from a fresh seed on', async () => {
  const first = freshSeed()
  for (let seed = first; seed < first + SEEDS; seed++) {
    const { failure, counters } = await run(seed)
    volume('simulated clusters whose members change', 1)
    volume('simulated changes of the members', counters.get('epochs'))
    assert.is(failure, null, `EPAXOS_SEED=${seed}: ${failure}`)
  }
})

test('a replica of epoch 0 lets no joiner in that no member has asked for (seed 200724)', async () => {
  assert.is((await run(200724)).failure, null)
})

test.run()
