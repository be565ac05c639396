/**
 * Clusters in virtual time whose members change under load and faults:
 *
 *     node --import tsx test/epochs/main.ts --seed N [--seeds COUNT]
 *
 * It fails at the first seed that fails, and if something rare was never reached in a campaign.
 */
import { parseArgs } from 'node:util'
import { Counters } from '../simulator/counters.ts'
import { freshSeed } from '../support/random.ts'
import { MANY, missed, run } from './campaign.ts'

const { values } = parseArgs({ options: { seed: { type: 'string' }, seeds: { type: 'string', default: '1' } } })
const first = values.seed === undefined ? freshSeed() : Number(values.seed)
const seeds = Number(values.seeds)
const total = new Counters()
for (let seed = first; seed < first + seeds; seed++) {
  const { failure, counters } = await run(seed)
  total.addAll(counters.entries())
  if (failure === null) continue
  console.log(`seed ${seed}: ${failure}`)
  process.exitCode = 1
}
for (const [what, count] of total.entries()) console.log(`${what}: ${count}`)
for (const what of seeds < MANY ? [] : missed(total)) {
  console.log(`never reached: ${what}`)
  process.exitCode = 1
}
