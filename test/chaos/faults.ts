import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { LiveCluster } from '../live/cluster.ts'
import type { Random } from '../support/random.ts'
import type { Links } from './links.ts'

export interface Arena {
  readonly cluster: LiveCluster
  readonly links: Links
  readonly random: Random
}

/** Does its harm for a while and undoes it: afterwards all processes run, and nothing is cut. */
export type Fault = (arena: Arena) => Promise<void>

/** Whether the disk can be made slow: strace delays the system calls of a process. */
export const hasSlowDisk = spawnSync('strace', ['--seccomp-bpf', '-f', '-e', 'trace=fsync', 'true']).status === 0

const SYNCS = 'fdatasync,fsync,msync'

/** Goes before the command line of a replica: a sync of the disk takes this much longer, in µs. */
export const slowDisk = (delayUs: number) => () => {
  const inject = ['-e', `trace=${SYNCS}`, '-e', `inject=${SYNCS}:delay_enter=${delayUs}`]
  return ['strace', '-D', '-f', '--seccomp-bpf', ...inject, '-o', '/dev/null']
}

const between = (random: Random, from: number, to: number) => from + random.next() * (to - from)

/** Some of the replicas, in random order. */
function some({ cluster, random }: Arena, count: number): number[] {
  const left = [...cluster.ids]
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as number)
}

function one(arena: Arena): number {
  return some(arena, 1)[0] as number
}

/** Kills `count` replicas, and starts them again in random order, with pauses of up to `downMs`. */
async function killSome(arena: Arena, count: number, downMs: number): Promise<void> {
  const { cluster, random } = arena
  await Promise.all(some(arena, count).map((id) => cluster.stop(id, 'SIGKILL')))
  for (const id of some(arena, cluster.ids.length)) {
    if (cluster.isRunning(id)) continue
    await pause(random.next() * downMs)
    cluster.start(id)
  }
}

const killOne: Fault = (arena) => killSome(arena, 1, 2000)

const killMajority: Fault = (arena) => killSome(arena, (arena.cluster.ids.length >> 1) + 1, 700)

const killAll: Fault = (arena) => killSome(arena, arena.cluster.ids.length, 300)

/** Kills a replica that is still catching up. */
const killTwice: Fault = async (arena) => {
  const { cluster, random } = arena
  const id = one(arena)
  await cluster.stop(id, 'SIGKILL')
  cluster.start(id)
  await pause(between(random, 100, 1500))
  await cluster.stop(id, 'SIGKILL')
  cluster.start(id)
}

const stopInOrder: Fault = async (arena) => {
  const { cluster } = arena
  const id = one(arena)
  await cluster.stop(id, 'SIGTERM')
  cluster.start(id)
}

const freeze: Fault = async (arena) => {
  const { cluster, random } = arena
  const id = one(arena)
  cluster.signal(id, 'SIGSTOP')
  await pause(between(random, 100, 3000))
  cluster.signal(id, 'SIGCONT')
}

/** Frozen replicas continue with whatever arrived meanwhile. */
const freezeMajority: Fault = async (arena) => {
  const { cluster, random } = arena
  const frozen = some(arena, (cluster.ids.length >> 1) + 1)
  for (const id of frozen) cluster.signal(id, 'SIGSTOP')
  await pause(between(random, 100, 1200))
  for (const id of frozen) cluster.signal(id, 'SIGCONT')
}

const isolate: Fault = async (arena) => {
  const { cluster, links, random } = arena
  const id = one(arena)
  for (const other of cluster.ids) {
    links.cut(id, other)
    links.cut(other, id)
  }
  await pause(between(random, 300, 2500))
  links.heal()
}

/** Some other replicas no longer hear one replica, but it still hears them. */
const cutOneWay: Fault = async (arena) => {
  const { cluster, links, random } = arena
  const id = one(arena)
  for (const other of some(arena, 1 + random.below(cluster.ids.length - 1))) links.cut(id, other)
  await pause(between(random, 300, 2500))
  links.heal()
}

const breakLinks: Fault = async (arena) => {
  const { links, random } = arena
  const valves = links.of(one(arena))
  for (let n = 1 + random.below(4); n > 0; n--) {
    for (const valve of valves) if (random.chance(0.7)) valve.sever()
    await pause(between(random, 20, 300))
  }
}

const delay: Fault = async (arena) => {
  const { links, random } = arena
  for (const valve of links.of(one(arena))) valve.delayMs = Math.ceil(between(random, 1, 150))
  await pause(between(random, 500, 2500))
  links.heal()
}

/** Ends with kill -9 while syncs are in progress. */
const slowDiskFor: Fault = async (arena) => {
  const { cluster, random } = arena
  const id = one(arena)
  await cluster.stop(id, 'SIGTERM')
  cluster.start(id, slowDisk(Math.ceil(between(random, 5000, 60_000))))
  await pause(between(random, 1500, 4000))
  await cluster.stop(id, 'SIGKILL')
  cluster.start(id)
}

/** Two kinds at once: one replica is cut off while another dies. */
const isolateAndKill: Fault = async (arena) => {
  await Promise.all([isolate(arena), killOne(arena)])
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  killOne,
  killMajority,
  killAll,
  killTwice,
  stopInOrder,
  freeze,
  freezeMajority,
  isolate,
  cutOneWay,
  breakLinks,
  delay,
  isolateAndKill,
  ...(hasSlowDisk ? { slowDisk: slowDiskFor } : {}),
}
