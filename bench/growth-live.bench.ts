/**
 * Whether memory and disk of real replicas level off: three processes with fsync take `BENCH_RATE` puts a second
 * (5,000) over `BENCH_KEYS` keys (100,000) for `BENCH_MINUTES` minutes (10). Prints after each minute what each of them
 * holds. In the middle of each minute one of them is killed and started again.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '../src/client/connection.ts'
import { encodeGroup } from '../src/execution/groups.ts'
import { putCommand } from '../src/machine/commands.ts'
import { startReplicas } from './replicas.ts'

const RATE = Number(process.env.BENCH_RATE ?? 5000)
const KEYS = Number(process.env.BENCH_KEYS ?? 100_000)
const MINUTES = Number(process.env.BENCH_MINUTES ?? 10)
const VALUE_BYTES = 100
const TICK_MS = 10
const SILENCE_MS = 300_000
const MIB = 2 ** 20

const subject = await startReplicas()
const { urls } = subject
const connections: (Connection | null)[] = urls.map(() => null)
const counts = { done: 0, failed: 0 }
let ended = false
try {
  const loads = urls.map((_, lane) => load(lane))
  console.log('minute  puts done  others  | per replica: memory MiB / disk MiB | restart until ready, ms')
  for (let minute = 1; minute <= MINUTES; minute++) {
    await pause(30_000)
    const id = minute % urls.length
    await subject.kill(id)
    const restartMs = await subject.start(id)
    await pause(30_000 - Math.min(restartMs, 30_000))
    const sizes = subject.pids().map((pid, at) => `${memoryOf(pid)} / ${sizeOf(join(subject.folder, `${at}`))}`)
    console.log(`${minute}  ${counts.done}  ${counts.failed}  | ${sizes.join('  ')} | ${Math.round(restartMs)}`)
  }
  ended = true
  await Promise.all(loads)
} finally {
  await subject.end()
}
process.exit(0)

/** A third of the rate goes to each replica; what one that is down would get is left out. */
async function load(lane: number): Promise<void> {
  const value = new Uint8Array(VALUE_BYTES)
  const startedAt = performance.now()
  for (let sent = 0; !ended; await pause(TICK_MS)) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * (RATE / urls.length)) - sent
    sent += due
    const connection = await connected(lane)
    if (connection === null || due < 1) continue
    const commands = Array.from({ length: due }, () => putCommand(`key ${Math.floor(Math.random() * KEYS)}`, value))
    connection.send(encodeGroup(commands), ({ outcome }) => {
      counts[outcome === 'done' ? 'done' : 'failed'] += due
    })
  }
  connections[lane]?.close()
}

async function connected(lane: number): Promise<Connection | null> {
  if (connections[lane]?.closed === false) return connections[lane]
  try {
    connections[lane] = await Connection.open(urls[lane] as string, { silenceMs: SILENCE_MS })
    return connections[lane]
  } catch {
    return null
  }
}

function memoryOf(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round((Number(kib) * 1024) / MIB)
}

/** What the files take on the disk, in MiB: LMDB's are sparse. */
function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const bytes = files.reduce((sum, { parentPath, name }) => sum + 512 * statSync(join(parentPath, name)).blocks, 0)
  return Math.round(bytes / MIB)
}
