import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GrowingPlaces } from '../../src/machine/growing-places.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('places')

/** All handles that are found for a hash, each with its place. */
function found(places: GrowingPlaces, hash: number): Map<number, number> {
  const within = places.of(hash)
  const handles = new Map<number, number>()
  for (let at = within.seek(hash, within.home(hash)); at >= 0; at = within.seek(hash, at + 1)) {
    handles.set(within.handle(at), at)
  }
  return handles
}

function sorted(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b)
}

/** Hashes, many of which have their home in the last places or in the same place, whatever the number of homes. */
function crowdedHash(random: Random): number {
  if (random.chance(0.5)) return random.below(0x1_0000_0000) | 0
  return random.chance(0.5) ? -1 - random.below(8) : -1 << random.below(12)
}

test('what is entered is found, and nothing else, while records come and go and the places grow', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let operations = 0
  for (const most of [30, 300, 5000]) {
    const places = new GrowingPlaces(8)
    const model = new Map<number, number>()
    let nextHandle = 0
    for (let round = 0; round < 4 * most; round++, operations++) {
      const told = `seed ${seed}, at most ${most}, round ${round}`
      const handle = random.below(nextHandle + 1)
      const hash = model.get(handle)
      if (hash !== undefined && random.chance(model.size / most)) {
        places.vacate(hash, found(places, hash).get(handle) as number)
        model.delete(handle)
        assert.not.ok(found(places, hash).has(handle), told)
      } else {
        const fresh = crowdedHash(random)
        places.enter(fresh, nextHandle)
        model.set(nextHandle, fresh)
        assert.ok(found(places, fresh).has(nextHandle), told)
        nextHandle++
      }
      assert.is(places.count, model.size, told)
    }
    assert.equal(sorted(places.handles()), sorted(model.keys()), `seed ${seed}`)
    for (const [handle, hash] of model) assert.ok(found(places, hash).has(handle), `seed ${seed}, handle ${handle}`)
  }
  volume('operations on places', operations)
})

test('places that double move a few with each record, not all with one', () => {
  const places = new GrowingPlaces(1024)
  for (let i = 0; i < 512; i++) places.enter(2 * i, i)
  const allAreFound = () => {
    for (let i = 0; i < 512; i++) assert.ok(found(places, 2 * i).has(i))
  }
  const before = places.of(0)
  places.enter(1, 512)
  assert.is(places.of(1000), before, 'nothing has moved yet')
  allAreFound()
  let inserts = 0
  while (places.of(1000) === before) {
    places.enter(1001, 513 + inserts++)
    assert.is.not(places.of(0), before, 'the first places have moved')
    allAreFound()
  }
  assert.is(places.of(0), places.of(1000))
  assert.ok(inserts > 50 && inserts < 80, `moved with ${inserts} inserts`)
})

test('hashes that are all equal fill the tail, which becomes longer', () => {
  const places = new GrowingPlaces(16)
  for (let i = 0; i < 1000; i++) places.enter(-1, i)
  assert.is(found(places, -1).size, 1000)
  for (let i = 0; i < 1000; i += 2) places.vacate(-1, found(places, -1).get(i) as number)
  assert.equal(
    sorted(found(places, -1).keys()),
    Array.from({ length: 500 }, (_, i) => 2 * i + 1),
  )
})

test.run()
