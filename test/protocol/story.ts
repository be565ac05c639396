import { Command, MessageType } from '../../src/protocol/messages.ts'
import type { JournalRecord } from '../../src/protocol/records.ts'
import { batch } from '../support/batches.ts'
import { Cluster } from '../support/cluster.ts'
import type { EngineMaker } from '../support/engine-makers.ts'
import type { TestReplica } from '../support/test-replica.ts'

type Filter = Parameters<Cluster['find']>[0]

/**
 * A cluster whose every message is delivered, held or lost by name: the step-by-step runs of protocol.md and
 * test/README.md.
 */
export class Story {
  readonly cluster: Cluster

  constructor(replicas: number, { make }: EngineMaker, options: { readonly autoSync?: boolean } = {}) {
    const timing = { heartbeatMs: 1e9, suspectMs: 1e9, retryMs: 0, recoverMs: 0 }
    this.cluster = new Cluster({ replicas, makeEngine: make, timing, ...options })
  }

  at(id: number): TestReplica {
    return this.cluster.replica(id)
  }

  /** The replica proposes a command that writes the keys; its name is its instance. */
  propose(id: number, ...keys: string[]): void {
    const { core } = this.at(id)
    this.at(id).propose(batch(`${id}.${core.slot + 1}`, ...keys))
  }

  /** Delivers what is in flight and passes the filter, but not what follows from it. Throws if there is nothing. */
  deliver(filter: Filter, keep = false): void {
    const found = this.cluster.find(filter)
    if (found.length === 0) throw new Error(`nothing to deliver: ${JSON.stringify(filter)}`)
    for (const sent of found) this.cluster.deliver(sent, keep)
  }

  /** Delivers PreAccept of the instance to the replicas, without their answers. */
  preAccept(row: number, to: readonly number[]): void {
    for (const id of to) this.deliver({ type: MessageType.preAccept, row, to: id })
  }

  preAcceptOk(row: number, from: readonly number[]): void {
    for (const id of from) this.deliver({ type: MessageType.preAcceptOk, row, from: id, to: row })
  }

  /** Delivers the questions to the replicas, and their answers. */
  ask(type: number, answer: number, row: number, from: number, of: readonly number[]): void {
    for (const id of of) {
      this.deliver({ type, row, from, to: id })
      this.deliver({ type: answer, row, from: id, to: from })
    }
  }

  recover(row: number, from: number, of: readonly number[]): void {
    this.begin(row, from)
    this.ask(MessageType.recover, MessageType.recoverOk, row, from, of)
  }

  /** The replica begins a recovery of slot 1 of the row. It will decide the recovery on the first quorum of answers. */
  begin(row: number, from: number): void {
    for (const { id } of this.cluster.replicas) if (id !== from) this.at(from).core.linkDown(id)
    const nudger = (from + 1) % this.cluster.replicas.length
    this.at(from).receive(nudger, { type: MessageType.tryRecover, epoch: 0, row, slot: 1 })
  }

  validate(row: number, from: number, of: readonly number[]): void {
    this.ask(MessageType.validate, MessageType.validateOk, row, from, of)
  }

  accept(row: number, from: number, of: readonly number[]): void {
    this.ask(MessageType.accept, MessageType.acceptOk, row, from, of)
  }

  lose(filter: Filter = {}): void {
    for (const sent of this.cluster.find(filter)) this.cluster.drop(sent)
  }

  /** A crash and a restart; what is in flight stays in flight. */
  restart(id: number, forgets?: (record: JournalRecord) => boolean): void {
    this.cluster.crash(id, forgets)
    this.cluster.restart(id)
  }

  /** Delivers everything between the replicas, and what follows from it. */
  deliverAmong(...ids: number[]): void {
    this.cluster.deliverAll(({ from, to }) => ids.includes(from) && ids.includes(to))
  }

  /**
   * All links among the replicas that are up work, and nothing is lost any more: everything that anybody knows is
   * decided.
   */
  settle(): void {
    const { cluster } = this
    const up = cluster.replicas.filter((replica) => replica.up)
    for (const a of up) for (const b of up) if (a !== b) a.core.linkUp(b.id)
    cluster.run(() => up.every((replica) => this.isDecided(replica)), 5000)
    cluster.check()
  }

  isDecided(replica: TestReplica): boolean {
    const known = this.cluster.replicas.map(({ core }) => core.slot)
    if (replica.engine.pending > 0) return false
    return known.every((highest, row) => {
      for (let slot = 1; slot <= highest; slot++) {
        if (replica.core.instance(row, slot)?.committed === false) return false
      }
      return true
    })
  }

  /** `noop`, the dependencies, or `undecided`. */
  outcome(id: string): string {
    const decision = this.cluster.decisions.get(id)
    if (decision === undefined) return 'undecided'
    return decision.command === Command.noop ? 'noop' : `[${decision.deps}]`
  }
}
