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

export interface Replicas {
  readonly urls: readonly string[]
  end(): Promise<void>
}

/** Three replicas as processes of their own, with disks in the temporary folder and default settings. */
export async function startReplicas(): Promise<Replicas> {
  const folder = mkdtempSync(join(tmpdir(), 'epaxos-bench-'))
  const clientPort = await freePortRange(2 * REPLICAS)
  const peerPort = clientPort + REPLICAS
  const members = membersOf({ replicas: REPLICAS, clientPort, peerPort, data: folder, common: { logLevel: 'error' } })
  const children = members.map(({ args }) =>
    spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'inherit'] }),
  )
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
  return { urls, end }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
