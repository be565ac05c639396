import type { Vector } from '../../src/engine/engine.ts'
import type { Attempt } from '../../src/protocol/attempt.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, type Message, MessageType, Phase } from '../../src/protocol/messages.ts'
import { equal, zeros } from '../../src/protocol/vector.ts'
import { hasVote } from '../../src/protocol/votes.ts'
import type { Cluster, Sent, TestReplica, Watch } from '../support/cluster.ts'
import { Promises } from './promises.ts'

/** What recoveries came to: cases a to e of protocol.md §4, how Validate ended, and how the wait ended. */
export const ENDS = [
  'a: committed',
  'b: accepted',
  'c: no-op, the coordinator is in Q',
  'd: no-op, too few agree',
  'e: validated',
  'validated: nothing invalidates',
  'validated: impossible',
  'validated: waits',
  'waited: harmless after all',
  'waited: no-op',
  'waited: committed meanwhile',
  'given up for a higher ballot',
] as const
export type End = (typeof ENDS)[number]

interface Snapshot {
  readonly phase: Phase
  readonly ballot: number
  readonly voteBallot: number
  readonly command: Command
  readonly initDeps: Vector | null
  readonly attempt: Attempt | null
}

/**
 * Looks at every step of a cluster: the invariants of protocol.md §5 in the state of each replica, what replicas say against what they said
 * before ({@link Promises}), and what recoveries came to.
 */
export class Observer implements Watch {
  /** Messages sent, by type. */
  readonly sentByType: number[] = []
  readonly ends = new Map<End, number>(ENDS.map((end) => [end, 0]))
  readonly #cluster: Cluster
  readonly #promises: Promises
  readonly #known: Map<string, Snapshot>[]
  /** The highest slot of each row that any message or vector named. */
  readonly #highest: number[]

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#promises = new Promises(cluster)
    this.#known = cluster.replicas.map(() => new Map())
    this.#highest = zeros(cluster.replicas.length)
    cluster.watch = this
  }

  sent(sent: Sent): void {
    const { type } = sent.message
    this.sentByType[type] = (this.sentByType[type] ?? 0) + 1
    if (sent.message.type === MessageType.heartbeat) return
    this.#mention(sent.message)
    this.#promises.sent(sent)
  }

  restarted(replica: TestReplica): void {
    this.#known[replica.id]?.clear()
  }

  stepped(replica: TestReplica): void {
    const { core } = replica
    this.#highest[replica.id] = Math.max(this.#highest[replica.id] as number, core.slot)
    for (let row = 0; row < this.#highest.length; row++) {
      for (let slot = 1; slot <= (this.#highest[row] as number); slot++) {
        const instance = core.instance(row, slot)
        if (instance !== undefined) this.#look(replica, instance)
      }
    }
  }

  #mention(message: Exclude<Message, { type: typeof MessageType.heartbeat }>): void {
    this.#highest[message.row] = Math.max(this.#highest[message.row] as number, message.slot)
  }

  #look(replica: TestReplica, instance: Instance): void {
    const known = this.#known[replica.id] as Map<string, Snapshot>
    const id = `${instance}`
    const before = known.get(id)
    this.#checkState(id, instance)
    if (before !== undefined) this.#checkStep(id, before, instance)
    if (before?.attempt && before.attempt !== instance.attempt) this.#count(before.attempt, instance)
    const { phase, ballot, voteBallot, command, initDeps, attempt } = instance
    known.set(id, { phase, ballot, voteBallot, command, initDeps, attempt })
  }

  #checkState(id: string, instance: Instance): void {
    this.#cluster.checkInstance(instance)
    const { initDeps, command, phase } = instance
    const knows = initDeps !== null || phase !== Phase.none
    if (knows && command === Command.unknown) throw new Error(`${id} has forgotten its command`)
    if (instance.attempt !== null && instance.attempt.ballot !== instance.ballot) {
      throw new Error(`${id} is coordinated in ballot ${instance.attempt.ballot}, but is in ${instance.ballot}`)
    }
  }

  #checkStep(id: string, before: Snapshot, after: Instance): void {
    if (after.phase < before.phase) throw new Error(`${id} went back from phase ${before.phase} to ${after.phase}`)
    if (after.ballot < before.ballot) throw new Error(`${id} went back to ballot ${after.ballot}`)
    if (after.voteBallot < before.voteBallot) throw new Error(`${id} went back to vote ballot ${after.voteBallot}`)
    if (before.initDeps !== null && (after.initDeps === null || !equal(before.initDeps, after.initDeps))) {
      throw new Error(`${id} had initial dependencies [${before.initDeps}], now [${after.initDeps}]`)
    }
    if (before.phase === Phase.accepted && after.phase === Phase.accepted && before.voteBallot === after.voteBallot) {
      if (before.command !== after.command) throw new Error(`${id} changed its vote in ballot ${after.voteBallot}`)
    }
    const voted = before.phase !== after.phase && after.phase !== Phase.preAccepted
    if (after.voteBallot > before.voteBallot && !voted && before.phase < Phase.accepted) {
      throw new Error(`${id} was given a vote ballot by a promise`)
    }
    if (before.phase === Phase.committed && before.command !== after.command) throw new Error(`${id} was decided twice`)
  }

  #count(attempt: Attempt, after: Instance): void {
    for (const end of endsOf(attempt, after)) this.ends.set(end, (this.ends.get(end) as number) + 1)
  }
}

/** What the end of an attempt means; it may have gone through more than one stage within the step. */
function endsOf(attempt: Attempt, after: Instance): End[] {
  if (attempt.kind === 'preAccepting' || attempt.kind === 'accepting') return []
  const went = after.ballot === attempt.ballot ? (after.attempt?.kind ?? 'over') : 'given up'
  if (went === 'given up') {
    if (!after.committed) return ['given up for a higher ballot']
    return attempt.kind === 'recovering' ? ['a: committed'] : []
  }
  const accepts = after.attempt?.kind === 'accepting' || (after.committed && after.voteBallot === attempt.ballot)
  const noop = after.command === Command.noop
  if (attempt.kind === 'recovering') {
    if (went === 'validating') return ['e: validated']
    if (!accepts) return ['a: committed']
    if (attempt.answers.some((answer) => answer?.phase === Phase.accepted)) return ['b: accepted']
    return [hasVote(attempt.answered, after.row) ? 'c: no-op, the coordinator is in Q' : 'd: no-op, too few agree']
  }
  if (attempt.kind === 'validating') {
    if (went === 'waiting') return ['validated: waits']
    if (!accepts) return []
    return [noop ? 'validated: impossible' : 'validated: nothing invalidates']
  }
  if (!accepts) return ['waited: committed meanwhile']
  return [noop ? 'waited: no-op' : 'waited: harmless after all']
}
