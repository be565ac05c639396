import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { wasmEngine } from '../support/engine-makers.ts'
import { volume } from '../support/volumes.ts'
import { drawOptions } from './options.ts'
import type { Sabotage } from './sabotage.ts'
import { SABOTAGES } from './sabotages.ts'
import { Shrinker } from './shrink.ts'
import { type Outcome, Simulation } from './simulation.ts'

const test = suite('what the simulator must find')

const MOST_SEEDS = 60

async function firstFailure(sabotage: Sabotage): Promise<Outcome | null> {
  for (let seed = 1; seed <= MOST_SEEDS; seed++) {
    volume('simulations of sabotaged replicas', 1)
    const outcome = await new Simulation(drawOptions(seed, 2000), wasmEngine, sabotage).run()
    if (outcome.failure !== null) return outcome
  }
  return null
}

for (const { name, sabotage } of SABOTAGES) {
  test(`finds ${name}`, async () => {
    const found = await firstFailure(sabotage)
    assert.is(found?.failure?.name, 'Violation', String(found?.failure?.stack))
  })
}

test('cuts a failure down to less, which still fails', async () => {
  const { sabotage } = SABOTAGES[0] as (typeof SABOTAGES)[number]
  const found = (await firstFailure(sabotage)) as Outcome
  const { outcome } = await new Shrinker(found, wasmEngine, sabotage).run()
  assert.ok(outcome.failure !== null)
  assert.ok(outcome.events < found.events)
  const again = await new Simulation(outcome.options, wasmEngine, sabotage).run()
  assert.is(again.failure?.message, outcome.failure.message)
})

test.run()
