import type { Engine, Vector } from '../engine/engine.ts'
import { assert } from '../protocol/assert.ts'
import type { ExecutedSet } from '../protocol/executed.ts'
import type { Batch } from '../protocol/messages.ts'
import { BatchRun } from './batch-run.ts'
import { type Budget, UNLIMITED } from './budget.ts'
import { hashChunks } from './chunks.ts'
import { areGroups, GroupReader } from './groups.ts'
import { type ExecutedSection, type ExecutionImage, imageOf } from './image.ts'
import type { Restoring, StateMachine } from './machine.ts'
import { ResultWriter } from './results.ts'
import { SessionTable } from './sessions.ts'
import type { Limits } from './sweep.ts'

export interface ExecutorOptions {
  readonly engine: Engine
  /** What has executed here; {@link onExecuted} enters each instance. */
  readonly executed: ExecutedSet
  readonly machine: StateMachine
  /** This replica: results are built for the instances of its row only. */
  readonly ownRow: number
  /** What sessions may keep; the same at all replicas. */
  readonly sessionLimits?: Limits
  /** Those that belong to the state that the machine has; if absent, there are none. */
  readonly sessions?: SessionTable
  /**
   * The batch of a committed instance; null if it was committed as a no-op. Called once, when the instance executes.
   */
  batchOf(row: number, slot: number): Batch | null
  /**
   * Called for each executed instance, in order: it is to be entered as executed. `results` holds the results of its
   * groups (results.ts) in bytes of their own; null for a no-op and for the instances of other rows. It may commit
   * further instances, but must not call `run`.
   */
  onExecuted(row: number, slot: number, results: Uint8Array | null): void
  /**
   * A change of the members executes (protocol.md §11): returns whether it counts. After the component of one that
   * counts nothing executes any more. Nothing counts if it is left out.
   */
  reconfigure?(membership: Uint8Array): boolean
}

/** Counted since the executor was made. */
export interface ExecutionCounts {
  instances: number
  /**
   * Commands of executed instances, including those that were not applied again because they had been applied before.
   */
  commands: number
  noops: number
  /** Components of more than one instance. */
  cycles: number
  /** Batches whose bytes are not groups: a faulty peer made them. Every replica skips them. */
  voidBatches: number
}

/** The instance that is executing. */
interface Present {
  readonly row: number
  readonly slot: number
  /** Null for a no-op. */
  readonly batch: Batch | null
}

/**
 * Applies committed instances to the state machine in execution order (protocol.md §6), and each request of a session
 * once. A batch may take several slices; the only effect is that the state between two of its commands is visible in
 * between. A machine that throws makes the executor unusable: the replica must stop.
 */
export class Executor {
  /** While true, nothing is begun: what has executed in part ends. */
  held = false
  readonly sessions: SessionTable
  #closed = false
  readonly #options: ExecutorOptions
  readonly #counts = { instances: 0, noops: 0, cycles: 0, voidBatches: 0 }
  readonly #group = new GroupReader()
  readonly #batch: BatchRun
  readonly #results = new ResultWriter()
  /** The order of the engine, copied, because the next commits overwrite it. */
  #order = new Float64Array(256)
  #words = 0
  #at = 0
  /** Members of the current component that have not executed. */
  #members = 0
  #present: Present | null = null
  /** Whether anything was committed since the engine last returned an order. */
  #fresh = false
  #running = false

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.sessions = options.sessions ?? new SessionTable(options.sessionLimits)
    const majority = Math.floor(options.engine.replicas / 2) + 1
    this.#batch = new BatchRun(options.machine, this.sessions, majority, (membership) => this.#reconfigure(membership))
  }

  /** The epoch is closed: what has not executed yet never does (protocol.md §11). */
  get closed(): boolean {
    return this.#closed
  }

  get executed(): ExecutedSet {
    return this.#options.executed
  }

  get counts(): ExecutionCounts {
    return { ...this.#counts, commands: this.#batch.commands }
  }

  /** The instance that has executed only in part; null if there is none. */
  get unfinished(): { readonly row: number; readonly slot: number } | null {
    return this.#present
  }

  /** Whether {@link run} may have work to do. */
  get pending(): boolean {
    if (this.held || this.#closed) return !this.betweenComponents
    return this.#fresh || !this.betweenComponents || this.#at < this.#words
  }

  /**
   * Whether no component has executed only in part: the state is that of a set of instances that contains everything
   * they depend on.
   */
  get betweenComponents(): boolean {
    return this.#members === 0
  }

  /** The instance is committed with `deps`, or as a no-op (`null`). A repeated commit has no effect. */
  commit(row: number, slot: number, deps: Vector | null): void {
    if (this.executed.has(row, slot)) return
    this.#options.engine.commit(row, slot, deps)
    this.#fresh = true
  }

  /** Executes what has become executable, until the budget is spent; returns the number of instances that ended. */
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
   * A hash of the machine's state and of the sessions: equal at replicas that have executed the same. If a batch has
   * executed only in part, the hash includes how far: it equals only that of a replica that is equally far in the same
   * batch.
   */
  stateHash(): string {
    const { machine } = this.#options
    const hash = `${machine.stateHash?.() ?? hashChunks(machine.snapshot())}-${this.sessions.hash()}`
    const present = this.#present
    return present === null ? hash : `${hash}+${present.row}.${present.slot}:${this.#batch.done}`
  }

  /**
   * A short form of {@link stateHash}, from 1 and below 2^53, that costs almost nothing. 0 if a batch has executed only
   * in part, if more than the prefixes has executed, or if the machine has no hash at hand.
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

  /**
   * Begins an image of the state and the sessions as they are now, {@link betweenComponents}: they are those of the set
   * of executed instances. One image is open at a time. It takes a moment, except where the machine offers no image.
   */
  capture(): ExecutionImage {
    assert(this.betweenComponents, 'an image is begun between two components')
    return imageOf(this.#options.machine, this.sessions.capture())
  }

  /**
   * Replaces the state and the sessions by those of an image. Throws an `EpaxosError` with code `damaged`: then the
   * replica must stop.
   */
  restore(chunksOf: (section: ExecutedSection) => Iterable<Uint8Array>): void {
    assert(this.betweenComponents, 'the state is replaced between two components')
    const { steps, finish } = this.restoring(chunksOf)
    for (const _ of steps);
    finish()
  }

  /** The same in steps, beside the present state and sessions; both are replaced at the end, between two components. */
  restoring(chunksOf: (section: ExecutedSection) => Iterable<Uint8Array>): Restoring {
    const sessions = this.sessions.restoring(chunksOf('sessions'))
    const machine = restoring(this.#options.machine, chunksOf('machine'))
    function* steps() {
      yield* sessions.steps
      yield* machine.steps
    }
    return {
      steps: steps(),
      finish: () => {
        assert(this.betweenComponents, 'the state is replaced between two components')
        machine.finish()
        sessions.finish()
        // What was to execute next is in it, or is committed again.
        this.#words = 0
        this.#at = 0
        this.#fresh = true
      },
    }
  }

  #takeOrder(): void {
    this.#fresh = false
    const order = this.#options.engine.execute()
    if (order.length > this.#order.length) this.#order = new Float64Array(2 * order.length)
    this.#order.set(order)
    this.#words = order.length
    this.#at = 0
  }

  /** Begins the next instance of the order; returns false if there is none, or the budget is spent. */
  #begin(budget: Budget): boolean {
    if (this.#at === this.#words || budget.spent) return false
    if ((this.held || this.#closed) && this.betweenComponents) return false
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
    if (batch !== null && !isVoid) this.#batch.begin(batch.commands, this.#resultsOf(row), row)
    this.#present = { row, slot, batch }
    return true
  }

  /** Returns whether the instance has ended. */
  #goOn(budget: Budget): boolean {
    if (!this.#batch.goOn(budget)) return false
    const { row, slot, batch } = this.#present as Present
    this.#present = null
    this.#members--
    this.#counts.instances++
    const results = batch === null ? null : (this.#resultsOf(row)?.take() ?? null)
    this.#options.onExecuted(row, slot, results)
    return true
  }

  #reconfigure(membership: Uint8Array): boolean {
    const counts = !this.#closed && this.#options.reconfigure?.(membership) === true
    if (counts) this.#closed = true
    return counts
  }

  /** Only the replica that proposed a batch answers its clients. */
  #resultsOf(row: number): ResultWriter | null {
    return row === this.#options.ownRow ? this.#results : null
  }
}

/** A machine that cannot be restored in steps is restored at once, at the end. */
function restoring(machine: StateMachine, chunks: Iterable<Uint8Array>): Restoring {
  return machine.restoring?.(chunks) ?? { steps: [], finish: () => machine.restore(chunks) }
}
