import { ChangingCluster } from '../live/changing-cluster.ts'
import { LiveCluster } from '../live/cluster.ts'
import { Random } from '../support/random.ts'
import { FAULTS } from './faults.ts'
import { playGrowth } from './growth.ts'
import { Links } from './links.ts'
import { playRound, type Round } from './round.ts'

export interface GrowthCampaignOptions {
  readonly seed: number
  /** Where the histories are written. */
  readonly folder: string
  /** Whether there is time for another round. */
  readonly goOn: (rounds: number) => boolean
  readonly say: (line: string) => void
}

export interface CampaignOptions extends GrowthCampaignOptions {
  /** The faults of each round; random if absent. */
  readonly faults?: readonly string[]
  readonly replicas?: number
}

export interface Summary {
  rounds: number
  operations: number
  unknown: number
  refused: number
  increments: number
  longestMs: number
  /** How often, by name. */
  readonly faults: Map<string, number>
}

/** The journal of a cluster is never truncated: after this many rounds a fresh cluster starts. */
const ROUNDS_PER_CLUSTER = 6

/** Plays rounds on one cluster after another. Throws a `Violation` at the first broken promise. */
export async function runCampaign(options: CampaignOptions): Promise<Summary> {
  const { seed, goOn } = options
  const random = new Random(seed)
  const summary = emptySummary()
  while (goOn(summary.rounds)) await playOnOneCluster(options, random, summary)
  return summary
}

/** The same with clusters whose members change, a fresh one for each round. */
export async function runGrowthCampaign({ seed, folder, goOn, say }: GrowthCampaignOptions): Promise<Summary> {
  const random = new Random(seed)
  const summary = emptySummary()
  while (goOn(summary.rounds)) {
    const name = `r${summary.rounds}`
    await ChangingCluster.use(async (cluster) => {
      const round = await playGrowth(cluster, { random, name, folder, say })
      add(summary, round, [])
      say(`${name}: ${describe(round)}`)
    })
  }
  return summary
}

function emptySummary(): Summary {
  return {
    ...{ rounds: 0, operations: 0, unknown: 0, refused: 0, increments: 0, longestMs: 0 },
    faults: new Map(),
  }
}

async function playOnOneCluster(options: CampaignOptions, random: Random, summary: Summary): Promise<void> {
  const replicas = options.replicas ?? random.pick([3, 3, 3, 5])
  const engines = Array.from({ length: replicas }, () => random.pick(['wasm', 'wasm', 'wasm', 'reference'] as const))
  const links = new Links()
  options.say(`${replicas} replicas, engines ${engines.join(' ')}`)
  try {
    await LiveCluster.use({ replicas, engines, via: links.via, keepOnFailure: true }, async (cluster) => {
      for (let n = 0; n < ROUNDS_PER_CLUSTER && options.goOn(summary.rounds); n++) {
        const faults = options.faults ?? drawFaults(random)
        const name = `r${summary.rounds}`
        const round = await playRound({ cluster, links, random }, { name, faults, folder: options.folder })
        add(summary, round, faults)
        options.say(`${name}: ${describe(round)}; ${faults.join(' ')}`)
      }
    })
  } finally {
    await links.close()
  }
}

function drawFaults(random: Random): string[] {
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(Object.keys(FAULTS)))
}

function add(summary: Summary, round: Round, faults: readonly string[]): void {
  summary.rounds++
  for (const name of ['operations', 'unknown', 'refused', 'increments'] as const) summary[name] += round[name]
  summary.longestMs = Math.max(summary.longestMs, round.longestMs)
  for (const fault of faults) summary.faults.set(fault, (summary.faults.get(fault) ?? 0) + 1)
}

export function describe({ operations, unknown, refused, increments, longestMs }: Round): string {
  const outcomes = `${operations} operations (${unknown} unknown), ${refused} refused, ${increments} increments`
  return `${outcomes}, longest wait ${longestMs.toFixed(0)} ms`
}
