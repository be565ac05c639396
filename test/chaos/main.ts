/**
 * Real clusters under faults: `npm run chaos -- [--minutes M] [--seed N] [--faults NAME,…] [--replicas N] [--folder
 * DIR] [--members]`. Real processes, sockets and disks, on loopback. With `--members` the members change all the time.
 * The histories of all rounds are written into the folder, which stays. Exits with 1 at the first broken promise.
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { freshSeed } from '../support/random.ts'
import { describe, runCampaign, runGrowthCampaign } from './campaign.ts'
import { FAULTS, hasSlowDisk } from './faults.ts'
import { Violation } from './round.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(freshSeed()) },
    faults: { type: 'string' },
    replicas: { type: 'string' },
    folder: { type: 'string' },
    members: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const folder = resolve(values.folder ?? join(tmpdir(), `epaxos-chaos-${seed}`))
const faults = values.faults?.split(',')
const unknown = faults?.find((name) => FAULTS[name] === undefined)
if (unknown !== undefined) throw new Error(`no fault ${unknown}; there are ${Object.keys(FAULTS).join(', ')}`)
mkdirSync(folder, { recursive: true })

console.log(`seed ${seed}, histories in ${folder}`)
if (!hasSlowDisk) console.log('skipped: no strace here, so no disk is slow')
const end = performance.now() + Number(values.minutes) * 60_000
try {
  const options = {
    ...{ seed, folder, say: console.log },
    goOn: (rounds: number) => rounds === 0 || performance.now() < end,
    ...(faults === undefined ? {} : { faults }),
    ...(values.replicas === undefined ? {} : { replicas: Number(values.replicas) }),
  }
  const summary = await (values.members ? runGrowthCampaign(options) : runCampaign(options))
  const byName = [...summary.faults].sort().map(([name, count]) => `${name} ${count}`)
  console.log(`seed ${seed}: ${summary.rounds} rounds, ${describe(summary)}`)
  if (byName.length > 0) console.log(`faults: ${byName.join(', ')}`)
  console.log('no violation: linearizable, equal states, exactly once, nothing stuck')
} catch (error) {
  if (!(error instanceof Violation)) throw error
  console.log(`seed ${seed}: VIOLATION\n${error.message}`)
  process.exitCode = 1
}
