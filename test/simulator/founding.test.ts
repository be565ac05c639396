import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { wasmEngine } from '../support/engine-makers.ts'
import { volume } from '../support/volumes.ts'
import { runWith } from './campaign.ts'
import type { Fault } from './fault-plan.ts'
import { drawOptions, type Options } from './options.ts'
import { failureText } from './report.ts'
import type { Outcome } from './simulation.ts'

const test = suite('first starts of simulated clusters')

const DURATION_MS = 1500

interface FirstStart {
  readonly replicas?: number
  /** In ms, by replica; at once if absent. */
  readonly starts?: readonly number[]
  readonly faults?: readonly Fault[]
}

/** A calm network and a usual disk: what happens is what the test says. */
function optionsOf({ replicas = 3, starts, faults = [] }: FirstStart): Options {
  const usual = drawOptions(1, DURATION_MS)
  const ids = Array.from({ length: replicas }, (_, id) => id)
  return {
    ...usual,
    ...{ replicas, fastCrashes: 0, faults, survivors: ids, clockRates: ids.map(() => 1) },
    firstStarts: starts ?? ids.map(() => 0),
    clients: { ...usual.clients, count: 2, operations: 10, thinkMs: 50, hedge: 0 },
    network: { ...usual.network, distanceMs: 5, jitterMs: 1, loss: 0, duplicate: 0, lostCommit: 0, lostOk: 0, deaf: 0 },
    disk: { leastMs: 0.5, mostMs: 5, keeps: false },
  }
}

async function founded(first: FirstStart): Promise<Outcome> {
  const outcome = await runWith(optionsOf(first), [wasmEngine])
  volume('first starts simulated', 1)
  assert.is(outcome.failure, null, outcome.failure === null ? '' : failureText(outcome))
  return outcome
}

const crash = (replica: number, atMs: number, forMs: number): Fault => ({ kind: 'crash', replica, atMs, forMs })
const wipe = (replica: number, atMs: number, forMs: number): Fault => ({ kind: 'amnesia', replica, atMs, forMs })

const KINDS: readonly (readonly [string, FirstStart])[] = [
  ['one alone', { replicas: 1 }],
  ['two, one late', { replicas: 2, starts: [0, 700] }],
  ['all at once', {}],
  ['one after the other', { starts: [0, 200, 400] }],
  ['the other way round', { starts: [400, 200, 0] }],
  ['five, two of them late', { replicas: 5, starts: [0, 900, 0, 0, 600] }],
  ['restarts before the last one comes', { starts: [0, 0, 900], faults: [crash(0, 300, 50), crash(1, 500, 50)] }],
  ['the last one goes again at once', { starts: [0, 0, 500], faults: [crash(2, 530, 300)] }],
  ['all go before it ends', { faults: [{ kind: 'blackout', atMs: 60, forMs: 100 }] }],
  [
    'two that cannot reach each other',
    { faults: [{ kind: 'cut', from: 0, to: 1, how: 'silent', atMs: 1, forMs: 900 }] },
  ],
  [
    'a stranger before it ends',
    { starts: [0, 0, 900], faults: [{ kind: 'stranger', replica: 2, atMs: 300, forMs: 500 }] },
  ],
]

for (const [name, first] of KINDS) {
  test(name, async () => {
    const { counters } = await founded(first)
    assert.ok(counters.get('operations answered') > 0)
  })
}

test('a disk lost at any step: it comes back, or all begin again, and nothing answered is lost', async () => {
  let begunAgain = 0
  for (const replicas of [2, 3, 5]) {
    for (let atMs = 5; atMs < 400; atMs += 15) {
      const starts = Array.from({ length: replicas }, (_, id) => 40 * id)
      const outcome = await founded({ replicas, starts, faults: [wipe(atMs % replicas, atMs, 100)] })
      begunAgain += outcome.counters.get('foundings that never end')
    }
  }
  assert.ok(begunAgain > 0)
})

test('disks of several that are lost at any step', async () => {
  for (let atMs = 5; atMs < 400; atMs += 25) {
    await founded({ starts: [0, 30, 60], faults: [wipe(1, atMs, 300), wipe(2, atMs + 10, 100)] })
  }
})

test.run()
