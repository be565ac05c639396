/**
 * Runs in a copy with a defect: simulates seed after seed until one fails. Prints what it found as JSON; exits with 1
 * if it found something, with 0 if the time ended first.
 */
import { parseArgs } from 'node:util'
import { drawOptions, withAbsences } from '../simulator/options.ts'
import { type Outcome, Simulation } from '../simulator/simulation.ts'
import { referenceEngine, wasmEngine } from '../support/engine-makers.ts'

/** The length of each safety phase: many short ones. */
const DURATION_MS = 2000

const { values } = parseArgs({
  options: {
    engine: { type: 'string' },
    replicas: { type: 'string' },
    absences: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '1' },
  },
})

async function main(): Promise<void> {
  const engine = values.engine === 'reference' ? referenceEngine : wasmEngine
  const startedAt = performance.now()
  const end = startedAt + Number(values.minutes) * 60_000
  let seeds = 0
  let outcome: Outcome | null = null
  for (let seed = 1; performance.now() < end && outcome?.failure == null; seed++) {
    const drawn = drawOptions(seed, DURATION_MS)
    const options = values.absences ? withAbsences(drawn) : drawn
    if (values.replicas !== undefined && options.replicas !== Number(values.replicas)) continue
    seeds++
    outcome = await new Simulation(options, engine).run()
  }
  const failure = outcome?.failure ?? null
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  const verdict = failure === null ? 'no violation' : (failure.message.split('\n')[0] as string)
  console.log(JSON.stringify({ verdict, seed: outcome?.options.seed, seeds, seconds }))
  process.exitCode = failure === null ? 0 : 1
}

await main()
