import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ExecutedSet } from '../../src/protocol/executed.ts'
import { coarse, contains, type Executed, runsOf, slotsOf } from '../../src/protocol/runs.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('runs of executed slots')

const ROWS = 3
const SLOTS = 12

function executedOf(slots: readonly (readonly number[])[]): Executed {
  const set = new ExecutedSet(ROWS)
  for (const [row, list] of slots.entries()) for (const slot of list) set.add(row, slot)
  return { prefix: set.vector, runs: slots.flatMap((_, row) => runsOf(row, set.beyond(row))) }
}

/** Often with few gaps. */
function randomSlots(random: Random): number[][] {
  const chance = random.pick([0.3, 0.8, 0.95, 1])
  return Array.from({ length: ROWS }, () => {
    const last = random.below(SLOTS)
    return Array.from({ length: last }, (_, i) => i + 1).filter(() => random.chance(chance))
  })
}

test('one set contains another just when each of its slots is in it', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const seen = { yes: 0, no: 0 }
  for (let round = 0; round < 20_000; round++) {
    const whole = randomSlots(random)
    const part = random.chance(0.5) ? whole.map((slots) => slots.filter(() => random.chance(0.9))) : randomSlots(random)
    const expected = part.every((slots, row) => slots.every((slot) => whole[row]?.includes(slot)))
    assert.is(contains(executedOf(whole), executedOf(part)), expected, `seed ${seed}, round ${round}`)
    seen[expected ? 'yes' : 'no']++
  }
  assert.ok(seen.yes > 1000 && seen.no > 1000, JSON.stringify(seen))
  volume('executed sets compared', 20_000)
})

test('runs hold just the slots that they were made of', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  for (let round = 0; round < 1000; round++) {
    const slots = (randomSlots(random)[0] as number[]).map((slot) => slot + 2 ** 40)
    const runs = runsOf(1, slots)
    assert.equal(
      runs.flatMap((run) => [...slotsOf(run)]),
      slots,
      `seed ${seed}`,
    )
    assert.ok(runs.every(({ row }) => row === 1))
    assert.ok(runs.every(({ first }, i) => i === 0 || first > (runs[i - 1] as (typeof runs)[0]).first + 1))
  }
})

test('too many runs are told as more than has executed: what contains that contains the rest', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  let coarser = 0
  for (let round = 0; round < 5000; round++) {
    const [executed, whole] = [executedOf(randomSlots(random)), executedOf(randomSlots(random))]
    const told = coarse(executed, ROWS)
    assert.ok(told.runs.length <= ROWS, `seed ${seed}`)
    assert.ok(contains(told, executed), `seed ${seed}`)
    if (contains(whole, told)) assert.ok(contains(whole, executed), `seed ${seed}`)
    if (executed.runs.length <= ROWS) assert.equal(told, executed)
    else coarser++
  }
  assert.ok(coarser > 100, `${coarser} rounds`)
  volume('executed sets compared', 5000)
})

test.run()
