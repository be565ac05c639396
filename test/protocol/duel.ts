import type { Engine } from '../../src/engine/engine.ts'
import { MessageType } from '../../src/protocol/messages.ts'
import { batch } from '../support/batches.ts'
import { Cluster, type Sent } from '../support/cluster.ts'
import { Random } from '../support/random.ts'
import type { TestReplica } from '../support/test-replica.ts'
import { type End, Observer } from './observer.ts'

export interface Duelled {
  readonly ends: ReadonlyMap<End, number>
  /** Messages sent, by type. */
  readonly sentByType: readonly number[]
  readonly restarts: number
  readonly messages: number
  /** The decisions in their order: the same for the same seed. */
  readonly decisions: string
}

interface Odds {
  /** The probability that a Commit is lost: then recoveries have to find out. */
  readonly lostCommit: number
  readonly lost: number
  readonly repeated: number
  /**
   * The probability that a Recover is lost on its way to the coordinator of its instance: otherwise most recoveries end
   * there in a no-op (case c).
   */
  readonly deaf: number
  /** Of a crash, per step. */
  readonly crash: number
  /** The probability that a restart follows a crash at once. */
  readonly restart: number
  readonly sync: number
  /** The probability per step that a recovery is provoked. */
  readonly recover: number
}

/**
 * A few interfering instances, and many replicas that recover them at once, in ballots that end each other: what is
 * rare in {@link explore} is the rule here. Messages arrive in any order. Then those that are up must decide
 * everything, then all.
 */
export function duel(seed: number, makeEngine: (replicas: number) => Engine): Duelled {
  const random = new Random(seed)
  const replicas = random.pick([2, 3, 3, 4, 5, 5, 5, 5, 5, 5, 7, 9])
  const odds: Odds = {
    lostCommit: random.pick([0.2, 0.9, 1]),
    lost: random.pick([0, 0.02, 0.2]),
    repeated: random.pick([0, 0.1]),
    deaf: random.pick([0, 0.8, 1]),
    crash: random.pick([0, 0.01, 0.05]),
    restart: random.pick([0, 0.5, 1]),
    sync: random.pick([0.1, 0.3]),
    recover: random.pick([0.02, 0.05, 0.1]),
  }
  const cluster = new Cluster({
    replicas,
    makeEngine,
    random: random.next,
    autoSync: random.chance(0.5),
    timing: { heartbeatMs: 1e9, lookMs: 1, suspectMs: 1e9, retryMs: 1, recoverMs: 1, maxRetryMs: 4, patienceMs: 1 },
  })
  const observer = new Observer(cluster)
  const run: Run = { cluster, random, odds, eager: random.chance(0.6), muted: [], restarts: 0, messages: 0 }
  if (run.eager) cutAll(cluster)
  play(run, 40 + random.below(120))
  finish(run)
  cluster.check()
  const decisions = [...cluster.decisions].map(([id, { command, deps }]) => `${id}=${command}[${deps}]`).join(' ')
  return {
    ends: observer.ends,
    sentByType: observer.sentByType,
    restarts: run.restarts,
    messages: run.messages,
    decisions,
  }
}

interface Run {
  readonly cluster: Cluster
  readonly random: Random
  readonly odds: Odds
  /** Considers no link up: every decision uses the first quorum of answers. */
  readonly eager: boolean
  /**
   * At most f replicas that nobody hears any more from some step on: coordinators, so that the others have to recover.
   */
  muted: readonly number[]
  restarts: number
  messages: number
}

function play(run: Run, steps: number): void {
  const { cluster, random, odds } = run
  const keys = random.chance(0.8) ? [['a']] : [['a'], ['a', 'b'], ['?a'], ['b'], ['*']]
  const proposers = pickProposers(run)
  const propose = (): void => {
    const proposer = cluster.replica(proposers.pop() as number)
    if (proposer.up) proposer.propose(batch(`c${proposers.length}`, ...random.pick(keys)))
  }
  const crashes = cluster.replica(0).core.quorums.crashes
  const muted = random.chance(0.6) ? proposers.slice(0, random.below(crashes + 1)) : []
  const together = random.chance(0.7)
  if (together) {
    while (proposers.length > 0) propose()
    preAcceptSome(run)
  }
  const mutedFrom = together ? 0 : random.below(60)
  for (let step = 0; step < steps; step++) {
    if (step === mutedFrom) run.muted = muted
    const replica = cluster.replica(random.below(cluster.replicas.length))
    if (proposers.length > 0 && random.chance(0.1)) propose()
    else if (random.chance(odds.crash)) crashOrRestart(run, replica)
    else if (random.chance(odds.recover)) provoke(run, replica)
    else if (random.chance(odds.sync) && replica.up && replica.unsynced > 0) replica.sync()
    else if (!deliverAny(run)) syncOrProvoke(run, replica)
  }
}

/**
 * Nobody knew of the others when they proposed; each replica hears of them in its own order, and coordinators hear some
 * of the answers.
 */
function preAcceptSome({ cluster, random }: Run): void {
  for (const replica of cluster.replicas) if (replica.unsynced > 0) replica.sync()
  const [heard, answered] = [random.pick([0.5, 0.8, 1]), random.pick([0, 0.5, 1])]
  const deliver = (type: number, chance: number): void => {
    const sent = cluster.find({ type })
    while (sent.length > 0) {
      const [one] = sent.splice(random.below(sent.length), 1)
      if (one !== undefined && random.chance(chance)) cluster.deliver(one)
    }
    for (const replica of cluster.replicas) if (replica.unsynced > 0) replica.sync()
  }
  deliver(MessageType.preAccept, heard)
  deliver(MessageType.preAcceptOk, answered)
}

/** One to four instances, mostly of different rows. */
function pickProposers({ cluster, random }: Run): number[] {
  const count = random.pick([1, 2, 2, 3, 3, 4])
  const rows = cluster.replicas.map(({ id }) => ({ id, rank: random.next() })).sort((a, b) => a.rank - b.rank)
  return Array.from({ length: count }, (_, i) => (random.chance(0.8) ? rows[i % rows.length]?.id : rows[0]?.id) ?? 0)
}

/** Returns whether there was a message to deliver or to lose. */
function deliverAny(run: Run): boolean {
  const { cluster, random, odds, muted } = run
  const audible =
    muted.length === 0
      ? cluster.messages
      : cluster.messages.filter(({ from, to }) => !muted.includes(from) && !muted.includes(to))
  if (audible.length === 0) return false
  const sent = random.pick(audible)
  run.messages++
  if (random.chance(oddsOfLoss(sent, odds))) cluster.drop(sent)
  else cluster.deliver(sent, random.chance(odds.repeated))
  return true
}

/** Nothing is in flight: continues with what waits for a disk, or with the next recovery. */
function syncOrProvoke(run: Run, replica: TestReplica): void {
  const waiting = run.cluster.replicas.filter((r) => r.up && r.unsynced > 0)
  if (waiting.length > 0) run.random.pick(waiting).sync()
  else provoke(run, replica)
}

function oddsOfLoss({ to, message }: Sent, odds: Odds): number {
  if (message.type === MessageType.commit) return odds.lostCommit
  return message.type === MessageType.recover && message.row === to ? odds.deaf : odds.lost
}

/** Up to f are down at a time; a restart forgets what was not synced. */
function crashOrRestart(run: Run, replica: TestReplica): void {
  const { cluster, random, odds } = run
  if (!replica.up) return restart(run, replica)
  const down = cluster.replicas.filter((r) => !r.up).length
  if (random.chance(odds.restart)) {
    replica.crash()
    restart(run, replica)
  } else if (down < replica.core.quorums.crashes) replica.crash()
}

function restart(run: Run, replica: TestReplica): void {
  run.restarts++
  run.cluster.restart(replica.id)
  if (run.eager) cutAll(run.cluster)
}

/** The replica recovers an instance, or everything that is open there. */
function provoke({ cluster, random, muted }: Run, replica: TestReplica): void {
  if (!replica.up || muted.includes(replica.id)) return
  cluster.nowMs += random.pick([1, 3, 10])
  if (random.chance(0.3)) return replica.tick()
  const row = random.below(cluster.replicas.length)
  const slot = cluster.replica(row).core.slot
  if (slot === 0) return
  const from = (replica.id + 1) % cluster.replicas.length
  replica.core.tick(cluster.nowMs)
  replica.receive(from, { type: MessageType.tryRecover, epoch: 0, row, slot: 1 + random.below(slot) })
}

function cutAll(cluster: Cluster): void {
  for (const a of cluster.replicas) for (const b of cluster.replicas) if (a !== b && a.up) a.core.linkDown(b.id)
}

/** Those that are up must decide what they know; they are always a quorum. Then all replicas. */
function finish(run: Run): void {
  const { cluster, random } = run
  cluster.linkAll()
  for (const replica of cluster.replicas) {
    for (const other of cluster.replicas) if (replica.up && !other.up) replica.core.linkDown(other.id)
  }
  if (random.chance(0.3)) cluster.messages = []
  settle(run)
  for (const replica of cluster.replicas) if (!replica.up) restart(run, replica)
  cluster.linkAll()
  settle(run)
}

/** Far longer than any pause between two tries. */
const PATIENCE_MS = 1000

function settle({ cluster }: Run): void {
  const live = cluster.replicas.filter((replica) => replica.up)
  const end = cluster.nowMs + PATIENCE_MS
  deliverAndSync(cluster, live)
  while (!live.every((replica) => isDecided(cluster, replica))) {
    if (cluster.nowMs > end) throw new Error(`undecided: ${undecided(cluster, live)}`)
    cluster.nowMs += 5
    for (const replica of live) replica.tick()
    deliverAndSync(cluster, live)
  }
}

function deliverAndSync(cluster: Cluster, live: readonly TestReplica[]): void {
  cluster.deliverAll()
  while (live.some((replica) => replica.unsynced > 0)) {
    for (const replica of live) if (replica.unsynced > 0) replica.sync()
    cluster.deliverAll()
  }
}

function undecided(cluster: Cluster, live: readonly TestReplica[]): string {
  return live
    .filter((replica) => !isDecided(cluster, replica))
    .map((replica) => `at ${replica.id}`)
    .join(', ')
}

function isDecided(cluster: Cluster, replica: TestReplica): boolean {
  return (
    replica.engine.pending === 0 &&
    cluster.replicas.every(({ core }, row) => {
      for (let slot = 1; slot <= core.slot; slot++) {
        const instance = replica.core.instance(row, slot)
        if (instance !== undefined && !instance.committed) return false
      }
      return true
    })
  )
}
