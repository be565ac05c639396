import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { membersOf } from '../src/cli/cluster/plan.ts'
import { allReady } from '../src/cli/cluster/ready.ts'
import { freePortRange } from '../src/cli/ports.ts'

/** `BENCH_PROGRAM` names another build, to compare with. */
const PROGRAM = process.env.BENCH_PROGRAM ?? join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')

const REPLICAS = 3
const READY_LIMIT_MS = 30_000

/** For a replica that was away. */
const CATCH_UP_LIMIT_MS = 300_000

export interface Replicas {
  readonly urls: readonly string[]
  /** Of the processes that run now, by replica. */
  pids(): number[]
  /** Holds the data directories, named by the replicas' ids. */
  readonly folder: string
  kill(id: number): Promise<void>
  /** Starts a replica that was killed; returns the ms until it was ready. */
  start(id: number): Promise<number>
  end(): Promise<void>
}

/** Three replicas as processes of their own, with disks in the temporary folder and default settings. */
export async function startReplicas(): Promise<Replicas> {
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-bench-'))
  const clientPort = await freePortRange(2 * REPLICAS)
  const peerPort = clientPort + REPLICAS
  const members = membersOf({ replicas: REPLICAS, clientPort, peerPort, data: folder, common: { logLevel: 'error' } })
  const startOne = ({ args }: (typeof members)[number]) =>
    spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  const children = members.map(startOne)
  const kill = (id: number) => stop(children[id] as ChildProcess)
  const start = async (id: number) => {
    const member = members[id] as (typeof members)[number]
    const startedAt = performance.now()
    children[id] = startOne(member)
    await allReady([member.url], AbortSignal.timeout(CATCH_UP_LIMIT_MS))
    return performance.now() - startedAt
  }
  const end = async () => {
    await Promise.all(children.map(stop))
    rmSync(folder, { recursive: true, force: true })
  }
  const urls = members.map(({ url }) => url)
  try {
    await allReady(urls, AbortSignal.timeout(READY_LIMIT_MS))
  } catch (error) {
    await end()
    throw error
  }
  const pids = () => children.map(({ pid }) => pid as number)
  return { urls, folder, pids, kill, start, end }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
