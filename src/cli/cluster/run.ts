import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { Exit } from '../exit-codes.ts'
import { stopSignal, untilAborted } from '../process/stop.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'
import { readSecret } from '../settings/secret.ts'
import { Children, childEnvironment, commandOf, quoted } from './children.ts'
import type { clusterFlags } from './flags.ts'
import { checkPorts, type Member, membersOf, type Plan } from './plan.ts'
import { allReady } from './ready.ts'

/** Runs the cluster until it is asked to stop, or no replica is left; resolves with the exit code. */
export async function runCluster(given: Given<typeof clusterFlags>): Promise<number> {
  const { replicas, clientPort, peerPort, data, ...common } = given.settings
  const plan: Plan = { replicas, clientPort, peerPort, data, common }
  const secret = readSecret(given)
  await checkPorts(plan)
  makeDirectory(data)

  const asked = stopSignal()
  const over = new AbortController()
  const stop = AbortSignal.any([asked, over.signal])
  const members = membersOf(plan)
  let worst: number = Exit.done
  const environment = childEnvironment(common.secretFile === undefined ? secret : undefined)
  const children = new Children(members, environment, (member, child) => {
    if (stop.aborted) return
    worst = Math.max(worst, child.exitCode ?? Exit.failed)
    say(`replica ${member.id} ${endOf(child)}; start it again with: ${lineOf(member)}`)
  })
  announce(members, children.pids, secret !== undefined && common.secretFile === undefined)

  const ready = allReady(
    members.map(({ url }) => url),
    stop,
    (id, why) => say(`replica ${id} is not ready: ${why}`),
  )
  ready.then(() => say(`ready: ${members.map(({ url }) => url).join(' ')}`)).catch(() => {})
  await Promise.race([untilAborted(asked), children.allEnded()])
  const wasTold = asked.aborted
  over.abort()
  const isClean = await children.stop(common.requestTimeoutMs)
  if (!isClean) say('some replicas did not stop in time and were killed')
  if (wasTold) return isClean ? Exit.done : Exit.failed
  return worst
}

function announce(members: readonly Member[], pids: readonly number[], needsSecret: boolean): void {
  for (const member of members) {
    say(`replica ${member.id}  pid ${pids[member.id]}  ${member.url}  ${lineOf(member)}`)
  }
  if (needsSecret) say('(a replica that is started alone needs EPAXOS_SECRET in its environment)')
}

function lineOf({ args }: Member): string {
  return quoted(commandOf(args))
}

function endOf({ exitCode, signalCode }: ChildProcess): string {
  return signalCode === null ? `ended with exit code ${exitCode}` : `was ended by ${signalCode}`
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw wrong(`--data ${path}: ${(error as Error).message}`)
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
