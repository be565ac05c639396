import type { Engine, Vector } from '../engine/engine.ts'
import { assert } from '../protocol/assert.ts'
import type { Batch } from '../protocol/messages.ts'
import { BatchRun } from './batch-run.ts'
import { type Budget, UNLIMITED } from './budget.ts'
import { hashChunks } from './chunks.ts'
import { ExecutedSet } from './executed.ts'
import { areGroups, GroupReader } from './groups.ts'
import type { StateMachine } from './machine.ts'
import { ResultWriter } from './results.ts'
import { SessionTable } from './sessions.ts'
import type { Limits } from './sweep.ts'

export interface ExecutorOptions {
  readonly engine: Engine
  readonly machine: StateMachine
  /** This replica: results are built for the instances of its row only. */
  readonly ownRow: number
  /** What sessions may keep; the same at all replicas. */
  readonly sessionLimits?: Limits
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

/** An instance that is being executed. */
interface Present {
  readonly row: number
  readonly slot: number
  /** Null for a no-op. */
  readonly batch: Batch | null
}

/**
 * Applies committed instances to the state machine in execution order (protocol.md §6), each request of a session once. A batch may take several
 * slices: then the state between two of its commands can be seen in between, and nothing else comes of that.
 * A machine that throws leaves the executor unusable: the replica must stop.
 */
export class Executor {
  readonly sessions: SessionTable
  readonly executed: ExecutedSet
  readonly #options: ExecutorOptions
  readonly #counts = { instances: 0, noops: 0, cycles: 0, voidBatches: 0 }
  readonly #group = new GroupReader()
  readonly #batch: BatchRun
  readonly #results = new ResultWriter()
  /** The order as the engine gave it: a copy, because it is gone with the next commits. */
  #order = new Float64Array(256)
  #words = 0
  #at = 0
  /** Members of the present component that are not executed. */
  #members = 0
  #present: Present | null = null
  /** Something was committed since the engine was asked for an order. */
  #fresh = false
  #running = false

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.sessions = new SessionTable(options.sessionLimits)
    this.#batch = new BatchRun(options.machine, this.sessions)
    this.executed = new ExecutedSet(options.engine.replicas)
  }

  get counts(): ExecutionCounts {
    return { ...this.#counts, commands: this.#batch.commands }
  }

  /** Whether {@link run} may have something to do. */
  get pending(): boolean {
    return this.#fresh || !this.betweenComponents || this.#at < this.#words
  }

  /** Whether no component is executed in part: the state is that of a set of instances, and contains all that they depend on. */
  get betweenComponents(): boolean {
    return this.#members === 0
  }

  /** The instance is committed with `deps`, or as a no-op (`null`). A commit that comes again has no effect. */
  commit(row: number, slot: number, deps: Vector | null): void {
    if (this.executed.has(row, slot)) return
    this.#options.engine.commit(row, slot, deps)
    this.#fresh = true
  }

  /** Goes on with what has become executable, until the budget is spent; returns the number of instances that ended. */
  run(budget: Budget = UNLIMITED): number {
    assert(!this.#running, 'execution is not re-entered, and does not go on after a machine threw')
    this.#running = true
    if (this.betweenComponents && this.#at === this.#words) this.#takeOrder()
    let instances = 0
    while ((this.#present !== null || this.#begin(budget)) && this.#goOn(budget)) instances++
    this.#running = false
    return instances
  }

  /**
   * A hash of the machine's state and of the sessions: equal at replicas that have executed the same. While a batch is executed in part, it says so:
   * it is equal only to that of a replica that is as far with the same one.
   */
  stateHash(): string {
    const { machine } = this.#options
    const hash = `${machine.stateHash?.() ?? hashChunks(machine.snapshot())}-${this.sessions.hash()}`
    const present = this.#present
    return present === null ? hash : `${hash}+${present.row}.${present.slot}:${this.#batch.done}`
  }

  /**
   * A short form of {@link stateHash}, from 1 and below 2^53, that costs next to nothing. 0 where a batch is executed in part, more is
   * executed than the prefixes, or the machine has no hash at hand.
   */
  quickHash(): number {
    if (this.#present !== null || !this.executed.isPrefix || this.#options.machine.stateHash === undefined) return 0
    let [lo, hi] = [0x811c9dc5, 0x9e3779b1]
    const text = this.stateHash()
    for (let i = 0; i < text.length; i++) {
      lo = Math.imul(lo ^ text.charCodeAt(i), 0x01000193)
      hi = Math.imul(hi ^ lo, 0x85ebca6b)
    }
    return (hi >>> 11) * 2 ** 32 + (lo >>> 0) || 1
  }

  #takeOrder(): void {
    this.#fresh = false
    const order = this.#options.engine.execute()
    if (order.length > this.#order.length) this.#order = new Float64Array(2 * order.length)
    this.#order.set(order)
    this.#words = order.length
    this.#at = 0
  }

  /** Begins the next instance of the order; false where there is none, or the budget is spent. */
  #begin(budget: Budget): boolean {
    if (this.#at === this.#words || budget.spent) return false
    budget.spend(0)
    if (this.#members === 0) {
      this.#members = this.#order[this.#at++] as number
      if (this.#members > 1) this.#counts.cycles++
    }
    const row = this.#order[this.#at++] as number
    const slot = this.#order[this.#at++] as number
    assert(!this.executed.has(row, slot), `instance ${row}.${slot} executes once`)
    const batch = this.#options.batchOf(row, slot)
    const isVoid = batch !== null && !areGroups(batch.commands, this.#group)
    if (batch === null) this.#counts.noops++
    if (isVoid) this.#counts.voidBatches++
    if (batch !== null && !isVoid) this.#batch.begin(batch.commands, this.#resultsOf(row))
    this.#present = { row, slot, batch }
    return true
  }

  /** Whether the instance has ended. */
  #goOn(budget: Budget): boolean {
    if (!this.#batch.goOn(budget)) return false
    const { row, slot, batch } = this.#present as Present
    this.#present = null
    this.#members--
    this.#counts.instances++
    this.executed.add(row, slot)
    const results = batch === null ? null : (this.#resultsOf(row)?.take() ?? null)
    this.#options.onExecuted(row, slot, results)
    return true
  }

  /** Only the replica that proposed a batch answers its clients. */
  #resultsOf(row: number): ResultWriter | null {
    return row === this.#options.ownRow ? this.#results : null
  }
}
