/**
 * Linearizable reads of one key that ask a quorum, beside the same reads through the log and beside writes: three
 * replicas with disks, one session, the cases in turn, so that a drift of the machine's speed affects all equally. The
 * result is the median of the runs. Fails if the quorum reads wrote anything to a journal or made an instance.
 * `BENCH_RUNS` is the number of runs (3), `BENCH_SECONDS` the length of each (3).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { CommandMaker } from '../src/cli/bench/commands.ts'
import { Lane } from '../src/cli/bench/lane.ts'
import { Latencies } from '../src/cli/bench/latencies.ts'
import { Connection } from '../src/client/connection.ts'
import type { Consistency } from '../src/codec/client-messages.ts'
import type { Status } from '../src/node/status.ts'
import { startReplicas } from './replicas.ts'

const RUNS = Number(process.env.BENCH_RUNS ?? 3)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3)
const WARM_UP_SECONDS = 0.5
/** Writes before the first read, so that most keys are there. */
const FILL_SECONDS = 10
/** Records that nothing waits for are written later. */
const REST_MS = 500
/** A replica that is late is not gone. */
const SILENCE_MS = 60_000

interface Measured {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

interface Case {
  readonly outstanding: number
  readonly name: 'writes' | 'reads, log' | 'reads, quorum'
  readonly measured: Measured[]
}

const { urls, end } = await startReplicas()
try {
  await measure(1000, 'writes', FILL_SECONDS)
  const names = ['writes', 'reads, log', 'reads, quorum'] as const
  const cases = [1, 1000].flatMap((outstanding) => names.map((name): Case => ({ outstanding, name, measured: [] })))
  for (let run = 0; run < RUNS; run++) {
    for (const { outstanding, name, measured } of cases) measured.push(await measure(outstanding, name, SECONDS))
  }
  console.table(
    cases.map(({ outstanding, name, measured }) => ({
      outstanding: `3 × ${outstanding}`,
      name,
      'commands/s': Math.round(median(measured, 'perSecond')),
      'p50 ms': median(measured, 'p50'),
      'p99 ms': median(measured, 'p99'),
      'median / that of a write': ratio(cases, outstanding, name, 'writes', 'p50'),
      'commands/s / those through the log': ratio(cases, outstanding, name, 'reads, log', 'perSecond'),
    })),
  )
} finally {
  await end()
}

async function measure(outstanding: number, name: Case['name'], seconds: number): Promise<Measured> {
  const latencies = new Latencies()
  const reads = name !== 'writes'
  const consistency: Consistency = name === 'reads, quorum' ? 'linearizable' : 'log'
  const lanes = await Promise.all(
    urls.map(async (url, lane) => {
      const connection = await Connection.open(url, { silenceMs: SILENCE_MS })
      const maker = new CommandMaker({ keySize: 8, valueSize: 8, conflicts: 0, lane, lanes: urls.length, reads })
      return new Lane(connection, maker, latencies, null, consistency)
    }),
  )
  await pause(REST_MS)
  const before = await traces()
  for (const lane of lanes) lane.start(outstanding)
  await pause(WARM_UP_SECONDS * 1000)
  latencies.clear()
  const startedAt = performance.now()
  await pause(seconds * 1000)
  const perSecond = (latencies.total / (performance.now() - startedAt)) * 1000
  const isDone = lanes.every(({ counts }) => counts.refused + counts.unknown === 0)
  for (const lane of lanes) lane.stop()
  const [p50, p99] = [0.5, 0.99].map((part) => latencies.quantile(part) / 1000) as [number, number]
  if (!isDone) throw new Error(`${name}: not all were done`)
  if (consistency === 'linearizable' && (await traces()) !== before) throw new Error('quorum reads left a trace')
  return { perSecond, p50, p99 }
}

/** What instances and journal values leave behind, at all replicas. */
async function traces(): Promise<string> {
  const statuses = await Promise.all(urls.map(async (url) => (await fetch(`${url}/status`)).json() as Promise<Status>))
  return JSON.stringify(statuses.map(({ committed, executed, journalBytes }) => [committed, executed, journalBytes]))
}

function median(measured: readonly Measured[], what: keyof Measured): number {
  const numbers = measured.map((one) => one[what]).sort((a, b) => a - b)
  return Number((numbers[numbers.length >> 1] ?? Number.NaN).toFixed(3))
}

function ratio(
  cases: readonly Case[],
  outstanding: number,
  name: Case['name'],
  to: Case['name'],
  what: keyof Measured,
): number {
  const [its, other] = [name, to].map((wanted) => {
    const found = cases.find((one) => one.outstanding === outstanding && one.name === wanted)
    return median(found?.measured ?? [], what)
  }) as [number, number]
  return Number((its / other).toFixed(2))
}
