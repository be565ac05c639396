/**
 * What becomes of three replicas under more than they can do: puts in an open loop, ten times as many as a closed loop
 * gets done before. What counts is how much is still done, and how soon a single put is answered afterwards.
 * `BENCH_SECONDS` says how long the overload lasts (30), `BENCH_FACTOR` how many times the capacity it is (10).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { CommandMaker } from '../src/cli/bench/commands.ts'
import { Lane } from '../src/cli/bench/lane.ts'
import { Latencies } from '../src/cli/bench/latencies.ts'
import { Connection } from '../src/client/connection.ts'
import { connect } from '../src/client/index.ts'
import { startReplicas } from './replicas.ts'

const SECONDS = Number(process.env.BENCH_SECONDS ?? 30)
const FACTOR = Number(process.env.BENCH_FACTOR ?? 10)
const WARM_UP_SECONDS = 2
const CAPACITY_SECONDS = 5
const OUTSTANDING = 2000
const TICK_MS = 2
const MOST_AT_ONCE = 20_000
/** A replica that is late is not gone. */
const SILENCE_MS = 300_000
const RETRY_MS = 20

const subject = await startReplicas()
const { urls } = subject
try {
  const makers = urls.map(
    (_, lane) => new CommandMaker({ keySize: 8, valueSize: 8, conflicts: 0, lane, lanes: urls.length }),
  )
  const capacity = await closedLoop(makers)
  const counts = await openLoop(makers, capacity * FACTOR)
  const endedAt = performance.now()
  await singlePut()
  const recoveryMs = performance.now() - endedAt
  console.table({
    'capacity, commands/s': Math.round(capacity),
    [`offered, commands/s (× ${FACTOR})`]: Math.round(counts.sent / SECONDS),
    'done, commands/s': Math.round(counts.done / SECONDS),
    'done, % of the capacity': Math.round((100 * counts.done) / SECONDS / capacity),
    'least done in a second': Math.min(...counts.seconds.slice(1, SECONDS)),
    'refused (certainly not done), %': Math.round((100 * counts.refused) / counts.sent),
    'unknown, %': Math.round((100 * counts.unknown) / counts.sent),
    'a single put answered after, ms': Math.round(recoveryMs),
  })
} finally {
  await subject.end()
}
process.exit(0)

async function closedLoop(makers: readonly CommandMaker[]): Promise<number> {
  const lanes = await Promise.all(
    urls.map(async (url, i) => {
      const connection = await Connection.open(url, { silenceMs: SILENCE_MS })
      return new Lane(connection, makers[i] as CommandMaker, new Latencies(), `closed-${i}`)
    }),
  )
  for (const lane of lanes) lane.start(OUTSTANDING)
  await pause(WARM_UP_SECONDS * 1000)
  for (const { counts } of lanes) counts.done = 0
  await pause(CAPACITY_SECONDS * 1000)
  for (const lane of lanes) lane.stop()
  return lanes.reduce((sum, { counts }) => sum + counts.done, 0) / CAPACITY_SECONDS
}

async function openLoop(makers: readonly CommandMaker[], rate: number) {
  const counts = { sent: 0, done: 0, refused: 0, unknown: 0, seconds: new Array<number>(SECONDS + 1).fill(0) }
  const connections = await Promise.all(urls.map((url) => Connection.open(url, { silenceMs: SILENCE_MS })))
  const startedAt = performance.now()
  const elapsed = () => (performance.now() - startedAt) / 1000
  while (elapsed() < SECONDS) {
    await pause(TICK_MS)
    const count = Math.min(Math.floor((elapsed() * rate - counts.sent) / urls.length), MOST_AT_ONCE)
    if (count < 1) continue
    for (const [i, connection] of connections.entries()) {
      counts.sent += count
      if (connection.closed) counts.unknown += count
      else {
        connection.send((makers[i] as CommandMaker).group(count, undefined), ({ outcome }) => {
          const second = Math.floor(elapsed())
          if (second >= SECONDS) return
          counts[outcome] += count
          if (outcome === 'done') counts.seconds[second] = (counts.seconds[second] ?? 0) + count
        })
      }
    }
  }
  for (const connection of connections) connection.close()
  return counts
}

/** By a new client, which tries until it is answered. */
async function singlePut(): Promise<void> {
  for (;;) {
    try {
      const client = await connect(urls)
      await client.put('single', 'put')
      await client.close()
      return
    } catch {
      await pause(RETRY_MS)
    }
  }
}
