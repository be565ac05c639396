/**
 * What commands feel of a replica that comes back: one of three is killed, the others do `BENCH_COMMANDS` commands
 * (1,000,000), and it starts again while the load goes on. It is killed once more while it catches up. Prints the
 * throughput of the two others before, while it catches up, and after.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { CommandMaker } from '../src/cli/bench/commands.ts'
import { Lane } from '../src/cli/bench/lane.ts'
import { Latencies } from '../src/cli/bench/latencies.ts'
import { Connection } from '../src/client/connection.ts'
import { startReplicas } from './replicas.ts'

const COMMANDS = Number(process.env.BENCH_COMMANDS ?? 1_000_000)
const OUTSTANDING = 500
const MEASURED_MS = 5000
const LOOK_MS = 20
const SILENCE_MS = 300_000
const VICTIM = 2

const subject = await startReplicas()
try {
  const lanes = await Promise.all(subject.urls.filter((_, id) => id !== VICTIM).map(open))
  for (const lane of lanes) lane.start(OUTSTANDING)
  const done = () => lanes.reduce((sum, { counts }) => sum + counts.done, 0)
  await pause(MEASURED_MS)
  await subject.kill(VICTIM)
  const away = done()
  while (done() < away + COMMANDS) await pause(LOOK_MS)
  const before = await rate(done, pause(MEASURED_MS))
  const firstMs = await interrupted()
  const startedAt = performance.now()
  const during = await rate(done, subject.start(VICTIM))
  const catchUpMs = performance.now() - startedAt
  const after = await rate(done, pause(MEASURED_MS))
  for (const lane of lanes) lane.stop()
  console.table({
    'commands while it was away': done() - away,
    'commands/s with two replicas': Math.round(before),
    'killed while it caught up, ms after its start': Math.round(firstMs),
    'started again until ready, ms': Math.round(catchUpMs),
    'commands/s while it catches up': Math.round(during),
    'of before, %': Math.round((100 * during) / before),
    'commands/s with three replicas': Math.round(after),
  })
} finally {
  await subject.end()
}
process.exit(0)

async function open(url: string, lane: number): Promise<Lane> {
  const connection = await Connection.open(url, { silenceMs: SILENCE_MS })
  const maker = new CommandMaker({ keySize: 8, valueSize: 100, conflicts: 0, lane, lanes: 2 })
  return new Lane(connection, maker, new Latencies(), `catch-up-${lane}`)
}

async function rate(done: () => number, until: Promise<unknown>): Promise<number> {
  const [from, startedAt] = [done(), performance.now()]
  await until
  return ((done() - from) * 1000) / (performance.now() - startedAt)
}

/** Kills it half a second after it has begun to listen; returns the ms from its start. */
async function interrupted(): Promise<number> {
  const startedAt = performance.now()
  // That start is never ready.
  subject.start(VICTIM).catch(() => {})
  while (!(await isListening(subject.urls[VICTIM] as string))) await pause(LOOK_MS)
  await pause(500)
  await subject.kill(VICTIM)
  return performance.now() - startedAt
}

async function isListening(url: string): Promise<boolean> {
  return fetch(`${url}/livez`).then(
    () => true,
    () => false,
  )
}
