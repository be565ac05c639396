/**
 * What commands feel of a checkpoint: puts at a fixed rate against a replica of one with fsync, and their latencies
 * while a checkpoint is written and while none is; the longest turn of the event loop; how long a restart takes.
 * `BENCH_KEYS` says how many keys there are (100,000), `BENCH_RATE` how many puts there are a second (2,000),
 * `BENCH_CHECKPOINTS` how many checkpoints are awaited (3).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePortRange } from '../src/cli/ports.ts'
import { Connection } from '../src/client/connection.ts'
import { encodeGroup } from '../src/execution/groups.ts'
import { putCommand } from '../src/machine/commands.ts'

const KEYS = Number(process.env.BENCH_KEYS ?? 100_000)
const RATE = Number(process.env.BENCH_RATE ?? 2000)
const CHECKPOINTS = Number(process.env.BENCH_CHECKPOINTS ?? 3)
const VALUE_BYTES = 100
/** Longer values in the puts that are measured, so that the next checkpoint is soon due. */
const NEW_VALUE_BYTES = 1000
const FILL_GROUP = 500
const TICK_MS = 2
const SILENCE_MS = 300_000

interface Message {
  readonly kind: 'ready' | 'checkpoint' | 'turns'
  readonly at: number
  readonly ms: number
  readonly bytes: number
  readonly longestMs: number
  readonly cpuMs: number
}

const folder = mkdtempSync(join(tmpdir(), 'epaxos-bench-'))
const ports = await freePortRange(2)
const checkpoints: Message[] = []
let child = await start()
try {
  await fill()
  await turns()
  const before = checkpoints.length
  const samples = await paced(before + CHECKPOINTS)
  const { longestMs } = await turns()
  const measured = checkpoints.slice(before)
  const within = ({ at }: Sample) => measured.some((c) => at >= c.at - c.ms && at <= c.at)
  const during = samples.filter(within)
  const without = samples.filter((sample) => !within(sample))
  console.table({
    keys: KEYS,
    'puts a second': RATE,
    checkpoints: measured.length,
    'MiB of a checkpoint': round((measured.at(-1)?.bytes ?? 0) / 2 ** 20),
    'ms to write one': measured.map(({ ms }) => ms).join(', '),
    'p50 / p99 / p99.9 ms without': quantiles(without),
    'p50 / p99 / p99.9 ms while one is written': quantiles(during),
    'p99 ratio': round(quantile(during, 0.99) / quantile(without, 0.99)),
    'longest turn, ms': round(longestMs),
    'restart until ready, ms': await restart(),
  })
} finally {
  child.process.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
process.exit(0)

interface Sample {
  readonly at: number
  readonly ms: number
}

async function start(): Promise<{ process: ChildProcess; ready: string }> {
  const script = join(import.meta.dirname, 'checkpoints-replica.ts')
  const args = [join(folder, 'data'), `${ports}`, `${ports + 1}`]
  const process = fork(script, args, { execArgv: ['--import', 'tsx'] })
  process.on('message', (message: Message) => {
    if (message.kind === 'checkpoint') checkpoints.push(message)
  })
  for (;;) {
    const [message] = (await once(process, 'message')) as [Message]
    if (message.kind === 'ready')
      return { process, ready: `${Math.round(message.ms)} (CPU: ${Math.round(message.cpuMs)})` }
  }
}

async function restart(): Promise<string> {
  const ended = once(child.process, 'exit')
  child.process.kill('SIGKILL')
  await ended
  child = await start()
  return child.ready
}

async function turns(): Promise<Message> {
  child.process.send('turns')
  for (;;) {
    const [message] = (await once(child.process, 'message')) as [Message]
    if (message.kind === 'turns') return message
  }
}

function connect(): Promise<Connection> {
  return Connection.open(`ws://127.0.0.1:${ports + 1}`, { silenceMs: SILENCE_MS })
}

async function fill(): Promise<void> {
  const connection = await connect()
  const value = new Uint8Array(VALUE_BYTES)
  for (let first = 0; first < KEYS; ) {
    const turn: Promise<void>[] = []
    for (let i = 0; i < 4 && first < KEYS; i++, first += FILL_GROUP) {
      const commands = Array.from({ length: FILL_GROUP }, (_, k) => putCommand(`key ${first + k}`, value))
      turn.push(new Promise((done) => connection.send(encodeGroup(commands), () => done())))
    }
    await Promise.all(turn)
  }
  connection.close()
}

/** Puts at the rate until there are so many checkpoints. */
async function paced(enough: number): Promise<Sample[]> {
  const connection = await connect()
  const samples: Sample[] = []
  const value = new Uint8Array(NEW_VALUE_BYTES)
  const startedAt = performance.now()
  for (let sent = 0; checkpoints.length < enough; await pause(TICK_MS)) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * RATE)
    for (; sent < due; sent++) {
      const sentAt = performance.now()
      const key = `key ${Math.floor(Math.random() * KEYS)}`
      connection.send(encodeGroup([putCommand(key, value)]), () => {
        samples.push({ at: Date.now(), ms: performance.now() - sentAt })
      })
    }
  }
  await pause(1000)
  connection.close()
  return samples
}

function quantile(samples: readonly Sample[], q: number): number {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function quantiles(samples: readonly Sample[]): string {
  return [0.5, 0.99, 0.999].map((q) => round(quantile(samples, q))).join(' / ')
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
