import type { Engine, Vector } from '../engine/engine.ts'
import { assert } from '../protocol/assert.ts'
import type { Batch } from '../protocol/messages.ts'
import { Ahead } from './ahead.ts'
import { hashChunks } from './chunks.ts'
import { ExecutedSet } from './executed.ts'
import { areGroups, GroupKind, GroupReader } from './groups.ts'
import type { StateMachine } from './machine.ts'
import { NOTHING, ResultWriter, Status } from './results.ts'
import type { Session } from './session.ts'
import { SessionTable } from './sessions.ts'

export interface ExecutorOptions {
  readonly engine: Engine
  readonly machine: StateMachine
  /** This replica: results are built for the instances of its row only. */
  readonly ownRow: number
  /** The batch of a committed instance; null where it was committed as a no-op. Asked once, when the instance executes. */
  batchOf(row: number, slot: number): Batch | null
  /**
   * An instance was executed, in this order. `results` holds the results of its groups (results.ts), bytes of their own; null for a no-op and
   * for the instances of other rows. May commit further instances, may not call `run`.
   */
  onExecuted(row: number, slot: number, results: Uint8Array | null): void
}

/** Counted since the executor was made. */
export interface ExecutionCounts {
  instances: number
  /** Commands of executed instances, those included that were not applied because they had been before. */
  commands: number
  noops: number
  /** Components of more than one instance. */
  cycles: number
  /** Batches whose bytes are no groups: a faulty peer made them. Skipped, at every replica alike. */
  voidBatches: number
}

/**
 * Applies committed instances to the state machine in execution order (protocol.md §6), each batch as a whole, each request of a session once.
 * A machine that throws leaves the executor unusable: the replica must stop.
 */
export class Executor {
  readonly counts: ExecutionCounts = { instances: 0, commands: 0, noops: 0, cycles: 0, voidBatches: 0 }
  readonly sessions = new SessionTable()
  readonly executed: ExecutedSet
  readonly #options: ExecutorOptions
  readonly #group = new GroupReader()
  readonly #ahead: Ahead
  readonly #results = new ResultWriter()
  /** The order as the engine gave it: a copy, because {@link ExecutorOptions.onExecuted} may call the engine. */
  #order = new Float64Array(256)
  #running = false

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#ahead = new Ahead(options.machine)
    this.executed = new ExecutedSet(options.engine.replicas)
  }

  /** The instance is committed with `deps`, or as a no-op (`null`). A commit that comes again has no effect. */
  commit(row: number, slot: number, deps: Vector | null): void {
    if (!this.executed.has(row, slot)) this.#options.engine.commit(row, slot, deps)
  }

  /** Executes all that has become executable; returns the number of instances. */
  run(): number {
    assert(!this.#running, 'execution is not re-entered, and does not go on after a machine threw')
    this.#running = true
    const words = this.#takeOrder()
    let instances = 0
    for (let at = 0; at < words; ) {
      const members = this.#order[at++] as number
      if (members > 1) this.counts.cycles++
      for (let i = 0; i < members; i++, at += 2) {
        this.#execute(this.#order[at] as number, this.#order[at + 1] as number)
      }
      instances += members
    }
    this.#running = false
    return instances
  }

  /** A hash of the machine's state and of the sessions: equal at replicas that have executed the same. */
  stateHash(): string {
    const { machine } = this.#options
    return `${machine.stateHash?.() ?? hashChunks(machine.snapshot())}-${this.sessions.hash()}`
  }

  /** Returns the number of words. */
  #takeOrder(): number {
    const order = this.#options.engine.execute()
    if (order.length > this.#order.length) this.#order = new Float64Array(2 * order.length)
    this.#order.set(order)
    return order.length
  }

  #execute(row: number, slot: number): void {
    this.executed.add(row, slot)
    this.counts.instances++
    const batch = this.#options.batchOf(row, slot)
    const own = row === this.#options.ownRow
    if (batch === null) this.counts.noops++
    else this.#applyBatch(batch.commands, own ? this.#results : null)
    this.#options.onExecuted(row, slot, batch !== null && own ? this.#results.take() : null)
  }

  #applyBatch(commands: Uint8Array, results: ResultWriter | null): void {
    if (!areGroups(commands, this.#group)) {
      this.counts.voidBatches++
      return
    }
    this.#ahead.begin(commands)
    for (let at = 0; at < commands.length; at = this.#group.end) {
      this.#group.reopen(commands, at)
      this.counts.commands += this.#group.count
      results?.beginGroup()
      if (this.#group.kind === GroupKind.expire) this.sessions.expire(this.#group.session())
      else if (this.#group.hasSession) this.#applyInSession(commands, results)
      else this.#applyAll(commands, results)
      results?.endGroup()
    }
  }

  /** What only reads is applied where it is answered, and nowhere else: nothing but its result comes of it. */
  #applyAll(commands: Uint8Array, results: ResultWriter | null): void {
    const { machine } = this.#options
    const group = this.#group
    while (group.next()) {
      this.#ahead.step()
      if (group.onlyReads && results === null) continue
      const result = machine.apply(commands.subarray(group.commandStart, group.commandEnd))
      results?.add(Status.applied, result)
    }
  }

  /** Updates are tested against the session and entered into it, reads are not (protocol.md §8). */
  #applyInSession(commands: Uint8Array, results: ResultWriter | null): void {
    const { machine } = this.#options
    const group = this.#group
    let session: Session | null | undefined
    while (group.next()) {
      this.#ahead.step()
      if (!group.onlyReads) {
        if (session === undefined) session = this.sessions.open(group.session())
        const status = session === null ? Status.expired : session.judge(group.first + group.index, group.acknowledged)
        if (session === null || status !== Status.applied) {
          results?.add(status, session !== null && status === Status.kept ? session.kept : NOTHING)
          continue
        }
      } else if (results === null) continue
      const result = machine.apply(commands.subarray(group.commandStart, group.commandEnd))
      results?.add(Status.applied, result)
      if (!group.onlyReads && session) {
        session.trim(group.acknowledged)
        session.enter(group.first + group.index, result)
      }
    }
  }
}
