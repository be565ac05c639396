import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { engineMakers, wasmEngine } from '../support/engine-makers.ts'
import { freshSeed } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { Campaign, RARE_PATHS, runWith } from './campaign.ts'
import { drawOptions } from './options.ts'
import { failureText } from './report.ts'

const test = suite('simulated clusters')

/** Virtual length of a safety phase. */
const DURATION_MS = 2000

/**
 * They reach rare ends of the wait in a recovery, a read that is abandoned, a checkpoint that is not there yet, and
 * results that were swept or aged.
 */
const RARE_SEEDS = [1001, 1006, 1017, 1019, 1040, 1064, 1125, 1211, 1446, 1595, 1655]

/**
 * The copy of a process decides otherwise; a founding is not heard of by a member that comes back; nor from the only
 * one that is founded.
 */
const FOUNDING_SEEDS = [312, 1684597297, 2141]

/** A copy stopped, another replica's copy was started, and the first one was started again: two at a time. */
const TWO_COPIES_SEED = 850000417

const campaign = new Campaign([wasmEngine], DURATION_MS)

async function run(seed: number): Promise<void> {
  const outcome = await campaign.run(seed)
  volume('simulated events', outcome.events)
  volume('simulated virtual seconds', Math.round(outcome.virtualMs / 1000))
  volume('simulated clusters', 1)
  assert.is(outcome.failure, null, outcome.failure === null ? '' : failureText(outcome))
}

test('keep every promise under every kind of fault', async () => {
  for (let seed = 1; seed <= 40; seed++) await run(seed)
})

test('keep them where recoveries wait for each other, and where results were swept', async () => {
  for (const seed of RARE_SEEDS) await run(seed)
})

test('keep them where directories were copied, and where a founding was hard to hear of', async () => {
  for (const seed of FOUNDING_SEEDS) await run(seed)
  const { failure } = await runWith(drawOptions(TWO_COPIES_SEED), [wasmEngine])
  assert.is(failure, null, String(failure?.stack))
})

test('keep them from a fresh seed on', async () => {
  const first = freshSeed()
  for (let seed = first; seed < first + 20; seed++) await run(seed)
})

test('take the same way from the same seed, with either engine', async () => {
  for (const seed of [3, 11, 26, 39]) {
    const options = drawOptions(seed, DURATION_MS)
    const [first, second] = [await runWith(options, engineMakers), await runWith(options, [wasmEngine])]
    assert.is(first.failure, null, String(first.failure?.stack))
    assert.is(second.traceHash, first.traceHash)
    assert.is(second.events, first.events)
  }
})

test('take another way from another seed', async () => {
  const [a, b] = [await runWith(drawOptions(3, 500), [wasmEngine]), await runWith(drawOptions(4, 500), [wasmEngine])]
  assert.is.not(a.traceHash, b.traceHash)
})

/** The title says what each of these seeds found; they run with their own durations. */
const FOUND: readonly (readonly [number, string])[] = [
  [20261125927, 'heartbeats that are farther apart than the patience with a silent peer'],
  [20261126286, 'several replicas at a time that come back without their disks'],
  [710003230, 'a repetition after the end of its session that joins an instance of before'],
  [998000017, 'a stale read of a process that woke beside its copy, judged by the age of the copy'],
  [771000141, 'a copy that the directory of a member which was away had never met a later start of'],
  [930000008, 'a batch that was open in one checkpoint and executed in the next, and was in no journal any more'],
  [775000102, 'a member that was away until no journal held what it lacked'],
  [950001323, 'a member that lacked still more after the install of a checkpoint'],
]

for (const [seed, what] of FOUND) {
  test(`stay well with what seed ${seed} once drew: ${what}`, async () => {
    const { failure } = await runWith(drawOptions(seed), [wasmEngine])
    assert.is(failure, null, String(failure?.stack))
  })
}

test('have reached every rare path', () => {
  assert.equal(campaign.missed, [], `of ${RARE_PATHS.length}`)
})

test.run()
