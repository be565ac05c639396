import type { Engine } from '../../src/engine/engine.ts'
import type { Counts } from '../../src/protocol/context.ts'
import { Command, MessageType } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import { Random } from '../support/random.ts'
import { type End, Observer } from './observer.ts'

/** What a run reached. A campaign in which one of these stays 0 has not tested what it claims. */
export interface Reached {
  fast: number
  slow: number
  recovered: number
  noop: number
  recoveries: number
  components: number
  restarts: number
  messages: number
  cuts: number
  reads: number
  readsWaited: number
  readsBlocked: number
  ends: ReadonlyMap<End, number>
}

/**
 * One random run: proposals on few keys, messages in any order, lost and repeated, disks that lose what was not synced,
 * links that one side considers down, crashes and restarts. Then everything heals, and every instance must be committed
 * and executed everywhere. Throws at the first violation.
 */
export function explore(seed: number, makeEngine: (replicas: number) => Engine): Reached {
  const random = new Random(seed)
  const replicas = random.pick([1, 2, 3, 3, 3, 4, 5, 5, 5, 7, 9])
  const timing = { lazyMs: random.chance(0.5) ? 0 : 50 }
  const cluster = new Cluster({ replicas, makeEngine, random: random.next, autoSync: random.chance(0.3), timing })
  const observer = new Observer(cluster)
  const proposals = 2 + random.below(12)
  const keys = ['a', 'b', '?a', 'c', '*'].slice(0, 1 + random.below(5))
  const loss = random.chance(0.5) ? 0.1 : 0.01
  const crashes = random.chance(0.6) ? 0.01 : 0
  const tickMs = random.pick([1, 20, 100])
  let reads = 0
  let proposed = 0
  let restarts = 0
  let messages = 0
  let cuts = 0
  for (let step = 0; step < 150 + proposals * 30; step++) {
    const choice = random.next()
    const replica = cluster.replica(random.below(replicas))
    if (choice < 0.02) {
      if (replica.up) reads += replica.read(random.pick(['a', 'b', 'c'])).length
    } else if (choice < 0.08 && replica.up && proposed < proposals) {
      const chosen = [random.pick(keys), ...(random.chance(0.3) ? [random.pick(keys)] : [])]
      replica.propose(batch(`c${proposed++}`, ...chosen))
    } else if (choice < 0.12) {
      cluster.nowMs += random.below(tickMs)
      for (const r of cluster.replicas) if (r.up) r.tick()
    } else if (choice < 0.12 + crashes) {
      if (!replica.up) {
        cluster.restart(replica.id)
        restarts++
      } else if (cluster.replicas.filter((r) => !r.up).length < replica.core.quorums.crashes) cluster.crash(replica.id)
    } else if (choice < 0.13 + crashes) {
      cuts++
      const peer = random.below(replicas)
      if (peer !== replica.id) replica.core[random.chance(0.5) ? 'linkDown' : 'linkUp'](peer)
    } else if (choice < 0.3) {
      if (replica.up && replica.unsynced > 0) replica.sync()
    } else if (cluster.messages.length > 0) {
      const recent = random.chance(0.7) ? cluster.messages[0] : random.pick(cluster.messages)
      if (recent === undefined) continue
      messages++
      if (random.chance(loss)) cluster.drop(recent)
      else cluster.deliver(recent, random.chance(0.05))
    }
    dropHeartbeats(cluster)
  }
  heal(cluster)
  cluster.check()
  for (const replica of cluster.replicas) {
    const [first] = cluster.replicas
    const same = [...replica.executed].sort().join() === [...(first as typeof replica).executed].sort().join()
    if (!same) throw new Error(`replica ${replica.id} executed other commands`)
  }
  const sum = (of: Exclude<keyof Counts, 'drops'>): number =>
    cluster.replicas.reduce((n, r) => n + r.core.counts[of], 0)
  return {
    fast: sum('fast'),
    slow: sum('slow'),
    recovered: sum('recovered'),
    noop: sum('noop'),
    recoveries: sum('recoveries'),
    components: cluster.components,
    restarts,
    messages,
    cuts,
    reads,
    readsWaited: sum('readsWaited'),
    readsBlocked: sum('readsBlocked'),
    ends: observer.ends,
  }
}

/** Heartbeats are many and only matter for time: they are delivered at once. */
function dropHeartbeats(cluster: Cluster): void {
  for (const sent of cluster.find({ type: MessageType.heartbeat })) cluster.deliver(sent)
}

function heal(cluster: Cluster): void {
  for (const replica of cluster.replicas) if (!replica.up) cluster.restart(replica.id)
  cluster.linkAll()
  const sync = (): void => {
    for (const replica of cluster.replicas) if (replica.unsynced > 0) replica.sync()
  }
  const done = (): boolean => {
    sync()
    return cluster.messages.length === 0 && cluster.replicas.every((r) => isComplete(cluster, r))
  }
  cluster.run(done, 60_000, 20)
  for (const [id, decision] of cluster.decisions) {
    if (decision.command === Command.batch && decision.footprint === null) throw new Error(`${id} has no batch`)
  }
}

function isComplete(cluster: Cluster, replica: Cluster['replicas'][number]): boolean {
  const committed = replica.core.committed
  const highest = cluster.replicas.map((r) => r.core.slot)
  return (
    committed.every((slot, row) => slot >= (highest[row] as number)) &&
    replica.engine.pending === 0 &&
    replica.reads.every(({ done }) => done)
  )
}
