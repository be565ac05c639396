/**
 * Simulates whole clusters of the shipped code on virtual time; a seed determines everything:
 *
 *     npm run simulate -- --seed N [--minutes M] [--seeds COUNT] [--engine wasm|reference|both] [--absences] [--shrink]
 *     npm run simulate -- --options '{…}'
 *
 * `--minutes` is the virtual length of the safety phase. `--seeds` makes it a campaign over COUNT seeds from N on,
 * which also fails if a rare path was never reached. With `--absences` members are away for long, and must fetch
 * checkpoints. `--shrink` looks for a shorter way to the first failure. `--options` runs exactly these options.
 */
import { parseArgs } from 'node:util'
import { type EngineMaker, engineMakers, referenceEngine, wasmEngine } from '../support/engine-makers.ts'
import { freshSeed } from '../support/random.ts'
import { Campaign, runWith } from './campaign.ts'
import { type Options, withAbsences } from './options.ts'
import { countersText, failureText, outcomeLine } from './report.ts'
import { Shrinker } from './shrink.ts'
import type { Outcome } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    engine: { type: 'string', default: 'wasm' },
    absences: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    options: { type: 'string' },
  },
})

const ENGINES: Readonly<Record<string, readonly EngineMaker[]>> = {
  wasm: [wasmEngine],
  reference: [referenceEngine],
  both: engineMakers,
}

const engines = ENGINES[values.engine]
const seed = values.seed === undefined ? freshSeed() : Number(values.seed)
const seeds = Number(values.seeds)
const altered = values.absences ? withAbsences : undefined
const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
if (
  engines === undefined ||
  !Number.isSafeInteger(seed) ||
  !(seeds >= 1) ||
  (minutes !== undefined && !(minutes > 0))
) {
  console.error('usage: npm run simulate -- --seed N [--minutes M] [--seeds COUNT] [--engine wasm|reference|both]')
  process.exit(2)
}
if (values.options === undefined) await campaign(engines)
else await one(await runWith(JSON.parse(values.options) as Options, engines), engines)

async function one(outcome: Outcome, engines: readonly EngineMaker[]): Promise<void> {
  console.log(`options: ${JSON.stringify(outcome.options)}`)
  console.log(countersText(outcome.counters))
  console.log(outcomeLine(outcome))
  await failed(outcome, engines)
}

async function campaign(engines: readonly EngineMaker[]): Promise<void> {
  const campaign = new Campaign(engines, minutes === undefined ? undefined : minutes * 60_000, altered)
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  for (let at = seed; at < seed + seeds; at++) {
    const outcome = await campaign.run(at)
    if (seeds === 1) return one(outcome, engines)
    if (outcome.failure !== null) {
      console.log(outcomeLine(outcome))
      if (campaign.failures.length === 1) await failed(outcome, engines)
    }
  }
  const { user, system } = process.cpuUsage(cpu)
  const virtualS = campaign.virtualMs / 1000
  console.log(countersText(campaign.counters))
  console.log(
    `seeds ${seed} to ${seed + seeds - 1}: ${virtualS.toFixed(0)} s of virtual time, ${campaign.events} events, ` +
      `${(virtualS / ((user + system) / 1e6)).toFixed(1)} virtual seconds per CPU second, ` +
      `${(campaign.runs / ((performance.now() - startedAt) / 60_000)).toFixed(0)} seeds a minute`,
  )
  const { failures, missed } = campaign
  if (missed.length > 0) console.log(`never reached: ${missed.join(', ')}`)
  console.log(`${campaign.runs - failures.length} passed, ${failures.length} failed`)
  if (failures.length > 0 || missed.length > 0) process.exitCode = 1
}

async function failed(outcome: Outcome, engines: readonly EngineMaker[]): Promise<void> {
  if (outcome.failure === null) return
  process.exitCode = 1
  console.log(failureText(outcome))
  if (!values.shrink) return
  const { outcome: shortest, runs } = await new Shrinker(outcome, engines[0] as EngineMaker).run()
  console.log(`\nshrunk in ${runs} runs to ${shortest.events} events and ${shortest.options.faults.length} faults:`)
  console.log(failureText(shortest))
}
