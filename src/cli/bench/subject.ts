import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import { Children, childEnvironment } from '../cluster/children.ts'
import { membersOf } from '../cluster/plan.ts'
import { allReady } from '../cluster/ready.ts'
import { freePortRange } from '../ports.ts'
import { type Settings, wrong } from '../settings/flag.ts'
import type { benchFlags } from './flags.ts'

/** What is measured. */
export interface Subject {
  readonly urls: readonly string[]
  /** The processes whose CPU time counts. */
  readonly pids: readonly number[]
  end(): Promise<void>
}

const READY_LIMIT_MS = 30_000
const REQUEST_TIMEOUT_MS = 10_000

/** Replicas that are already running. */
export function runningReplicas({ url, pid }: Settings<typeof benchFlags>): Subject {
  const bad = pid.find((text) => !/^\d+$/.test(text))
  if (bad !== undefined) throw wrong(`--pid is a process id, not ${bad}`)
  return { urls: url, pids: pid.map(Number), end: async () => {} }
}

/** A cluster of its own, in a folder of its own; null if it was stopped before it was ready. */
export async function ownCluster(settings: Settings<typeof benchFlags>, stop: AbortSignal): Promise<Subject | null> {
  const { replicas, durability, engine, server, data = tmpdir() } = settings
  const folder = mkdtempSync(join(data, 'epaxos-bench-'))
  const clientPort = await freePortRange(2 * replicas)
  const common = { durability, engine, server, requestTimeoutMs: REQUEST_TIMEOUT_MS, logLevel: 'error' }
  const members = membersOf({ replicas, clientPort, peerPort: clientPort + replicas, data: folder, common })
  const impatience = AbortSignal.timeout(READY_LIMIT_MS)
  const died = new AbortController()
  const children = new Children(members, childEnvironment(undefined), ({ id }) => {
    died.abort(new Error(`replica ${id} ended`))
  })
  const end = async () => {
    await children.stop(REQUEST_TIMEOUT_MS)
    rmSync(folder, { recursive: true, force: true })
  }
  const urls = members.map(({ url }) => url)
  try {
    await allReady(urls, AbortSignal.any([impatience, died.signal, stop]))
  } catch (error) {
    const wasStopped = stop.aborted
    await end()
    if (wasStopped) return null
    const why = died.signal.aborted ? (died.signal.reason as Error).message : (error as Error).message
    throw new EpaxosError(ErrorCode.unreachable, `the cluster did not become ready: ${why}`)
  }
  return { urls, pids: children.pids, end }
}
