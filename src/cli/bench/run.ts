import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../../client/connection.ts'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import type { Status } from '../../node/status.ts'
import { Exit } from '../exit-codes.ts'
import { ask } from '../http/ask.ts'
import { complain } from '../process/complain.ts'
import { stopSignal, untilAborted } from '../process/stop.ts'
import type { Settings } from '../settings/flag.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'
import { readSecret } from '../settings/secret.ts'
import { CommandMaker } from './commands.ts'
import { cpuMicros } from './cpu.ts'
import type { benchFlags } from './flags.ts'
import { Lane } from './lane.ts'
import { Latencies } from './latencies.ts'
import { type BenchResult, type KindResult, resultText } from './result.ts'
import { ownCluster, runningReplicas, type Subject } from './subject.ts'

/** Under a deliberate overload, a late replica is not a dead one. */
const SILENCE_MS = 10_000
const STATUS_TIMEOUT_MS = 10_000

/** Measures, prints the result, and resolves with the exit code. */
export async function runBench(given: Given<typeof benchFlags>): Promise<number> {
  const { settings } = given
  const secret = readSecret(given)
  if (settings.pid.length > 0 && settings.url.length === 0) throw wrong('--pid is for --url')
  const stop = stopSignal()
  const subject = settings.url.length > 0 ? runningReplicas(settings) : await ownCluster(settings, stop)
  if (subject === null) return Exit.failed
  try {
    const result = await Promise.race([measure(subject, settings, secret), untilAborted(stop).then(() => null)])
    if (result === null) return Exit.failed
    process.stdout.write(settings.json ? `${JSON.stringify(result, null, 2)}\n` : resultText(result))
    return result.commands > 0 && result.refused + result.unknown === 0 ? Exit.done : Exit.failed
  } catch (error) {
    if (!(error instanceof EpaxosError) || error.code === ErrorCode.configuration) throw error
    complain(error.message)
    return Exit.unreachable
  } finally {
    await subject.end()
  }
}

async function measure(
  { urls, pids }: Subject,
  settings: Settings<typeof benchFlags>,
  secret: string | undefined,
): Promise<BenchResult> {
  const { outstanding, conflicts, keySize, valueSize, sessions, warmup, seconds, reads, readsBy } = settings
  const shape = { keySize, valueSize, conflicts: conflicts / 100, lanes: urls.length }
  const run = randomBytes(6).toString('hex')
  const reading = Math.round((outstanding * reads) / 100)
  const kinds = [
    { latencies: new Latencies(), lanes: [] as Lane[], outstanding: outstanding - reading, reads: false },
    { latencies: new Latencies(), lanes: [] as Lane[], outstanding: reading, reads: true },
  ] as const
  for (const [i, url] of urls.entries()) {
    const connection = await Connection.open(url, { silenceMs: SILENCE_MS, ...(secret !== undefined && { secret }) })
    for (const { latencies, lanes, reads } of kinds) {
      const session = sessions && !reads ? `bench-${run}-${i}` : null
      const maker = new CommandMaker({ ...shape, lane: i, reads })
      lanes.push(new Lane(connection, maker, latencies, session, reads ? readsBy : 'log'))
    }
  }
  const lanes = kinds.flatMap((kind) => kind.lanes)
  for (const kind of kinds) for (const lane of kind.lanes) lane.start(kind.outstanding)
  await pause(warmup * 1000)

  const before = await statuses(urls, secret)
  for (const { latencies } of kinds) latencies.clear()
  for (const { counts } of lanes) Object.assign(counts, { done: 0, refused: 0, unknown: 0 })
  const cpuBefore = cpuMicros(pids)
  const ownCpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await pause(seconds * 1000)
  const elapsed = (performance.now() - startedAt) / 1000
  const sum = (of: (lane: Lane) => number) => lanes.reduce((total, lane) => total + of(lane), 0)
  const [refused, unknown] = [sum((l) => l.counts.refused), sum((l) => l.counts.unknown)]
  const [written, read] = kinds.map((kind) => {
    const commands = kind.lanes.reduce((total, lane) => total + lane.counts.done, 0)
    const ms = (part: number) => round(kind.latencies.quantile(part) / 1000, 3)
    const latencyMs = { p50: ms(0.5), p99: ms(0.99) }
    return kind.outstanding === 0 ? null : { commands, commandsPerSecond: Math.round(commands / elapsed), latencyMs }
  }) as [KindResult | null, KindResult | null]
  const done = (written?.commands ?? 0) + (read?.commands ?? 0)
  const cpu = cpuMicros(pids) - cpuBefore
  const { user, system } = process.cpuUsage(ownCpuBefore)
  const after = await statuses(urls, secret)
  for (const lane of lanes) lane.stop()

  const delta = (of: (status: Status) => number) => total(after, of) - total(before, of)
  const [fast, slow] = [delta(({ counts }) => counts.fast), delta(({ counts }) => counts.slow)]
  return {
    replicas: urls.length,
    durability: after[0]?.durability ?? '',
    engine: [...new Set(after.map(({ engine }) => engine))].join(','),
    server: [...new Set(after.map(({ server }) => server))].join(','),
    outstanding,
    conflictsPercent: conflicts,
    keySize,
    valueSize,
    sessions,
    seconds: round(elapsed, 3),
    commands: done,
    commandsPerSecond: Math.round(done / elapsed),
    latencyMs: (written ?? read)?.latencyMs ?? { p50: Number.NaN, p99: Number.NaN },
    reads: read === null ? null : { percent: reads, by: readsBy, ...read },
    cpuMicrosPerCommand: pids.length === 0 || done === 0 ? null : round(cpu / done, 3),
    generatorCpuMicrosPerCommand: done === 0 ? null : round((user + system) / done, 3),
    fast,
    slow,
    fastPathRatio: fast + slow === 0 ? null : round(fast / (fast + slow), 4),
    recovered: delta(({ counts }) => counts.recovered),
    refused,
    unknown,
  }
}

function total(statuses: readonly Status[], of: (status: Status) => number): number {
  return statuses.reduce((sum, status) => sum + of(status), 0)
}

async function statuses(urls: readonly string[], secret: string | undefined): Promise<Status[]> {
  return await Promise.all(
    urls.map(async (url) => {
      const target = { url, timeoutMs: STATUS_TIMEOUT_MS, ...(secret !== undefined && { secret }) }
      const { body } = await ask(target, 'GET', '/status')
      return JSON.parse(new TextDecoder().decode(body)) as Status
    }),
  )
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
