import { parseArgs } from 'node:util'
import { OPENINGS } from './openings.ts'
import type { Limits } from './search.ts'
import type { Bounds } from './system.ts'

export const HELP = `Visits every state of a small cluster of the shipped core, the nearest first.

npm run model-check -- [--replicas 3] [--instances 2] [--proposers 0,1] [--recoveries 2] [--crashes 0] [--restarts 0]
                       [--reads 0] [--changers IDS] [--limit STATES] [--minutes M] [--walks N --steps 200 --seed S]
                       [--opening NAME] [--replay FILE]

--proposers   the replicas that propose interfering commands, --instances in total; by default the first two
--recoveries  the number of recoveries in total, by any replica, of any instance
--crashes     replicas that stop for good; runs without it have the same effect: messages that never arrive
--restarts    replicas that lose what is not durable, and come back
--reads       the number of quorum reads in total, at any replica
--changers    the proposers whose proposals change the members: i removes (i + 2) mod n; by default nobody does
--walks       N random walks within the same bounds, instead of a search
--opening     where to begin: ${Object.keys(OPENINGS).join(', ')} (openings.ts); by default an empty cluster
--replay      replays the steps of a trace, one per line, in the format of a printed violation
`

export interface Options {
  readonly bounds: Bounds
  readonly limits: Limits
  readonly walks: number
  readonly steps: number
  readonly seed: number
  readonly opening: readonly string[]
  readonly replay: string | null
  readonly help: boolean
}

/** Throws a RangeError for a value that is not a number within its range. */
export function readOptions(args: readonly string[]): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      replicas: text,
      instances: text,
      proposers: text,
      recoveries: text,
      crashes: text,
      restarts: text,
      reads: text,
      changers: text,
      limit: text,
      minutes: text,
      walks: text,
      steps: text,
      seed: text,
      opening: text,
      replay: text,
      help: { type: 'boolean' },
    },
  })
  const replicas = whole('--replicas', values.replicas ?? '3', 9)
  if (values.opening !== undefined && values.walks !== undefined) throw new RangeError('--opening is for a search')
  if (values.reads !== undefined && values.changers !== undefined) throw new RangeError('--reads or --changers')
  return {
    bounds: {
      replicas,
      // Each bound is counted in four bits.
      instances: whole('--instances', values.instances ?? '2', 15),
      proposers: idsOf('--proposers', values.proposers ?? [0, 1].slice(0, replicas).join(), replicas),
      recoveries: whole('--recoveries', values.recoveries ?? '2', 15),
      crashes: whole('--crashes', values.crashes ?? '0', 15),
      restarts: whole('--restarts', values.restarts ?? '0', 15),
      ...(values.reads !== undefined && { reads: whole('--reads', values.reads, 15) }),
      ...(values.changers !== undefined && { changers: idsOf('--changers', values.changers, replicas) }),
    },
    limits: {
      states: whole('--limit', values.limit ?? '100000000', 400_000_000),
      minutes: Number(values.minutes ?? 60),
    },
    walks: whole('--walks', values.walks ?? '0', 1e9),
    steps: whole('--steps', values.steps ?? '200', 1e6),
    seed: whole('--seed', values.seed ?? '1', 2 ** 32 - 1),
    opening: values.opening === undefined ? [] : openingOf(values.opening),
    replay: values.replay ?? null,
    help: values.help === true,
  }
}

function whole(name: string, text: string, most: number): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < 0 || value > most) {
    throw new RangeError(`${name}: a whole number from 0 to ${most}, not ${text}`)
  }
  return value
}

function idsOf(name: string, text: string, replicas: number): number[] {
  return text.split(',').map((id) => whole(name, id, replicas - 1))
}

function openingOf(name: string): readonly string[] {
  const opening = OPENINGS[name]
  if (opening === undefined) throw new RangeError(`--opening: one of ${Object.keys(OPENINGS).join(', ')}, not ${name}`)
  return opening
}
