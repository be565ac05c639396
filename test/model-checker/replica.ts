import type { Vector } from '../../src/engine/engine.ts'
import { ReferenceEngine } from '../../src/engine/reference.ts'
import { Core } from '../../src/protocol/core.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import type { Membership } from '../../src/protocol/membership.ts'
import { type Batch, Command, type Message, MessageType } from '../../src/protocol/messages.ts'
import type { InstanceRecord, JournalRecord } from '../../src/protocol/records.ts'
import { DEFAULT_TIMING, type Timing } from '../../src/protocol/timing.ts'
import { batch, nameOf } from '../support/batches.ts'
import { members } from '../support/members.ts'
import type { Input, Wire } from './inputs.ts'
import { checkState, checkStep, type Snapshot, snapshot } from './invariants.ts'
import { stateText } from './state-text.ts'
import { TrackedReads } from './tracked-reads.ts'

export interface Setup {
  readonly replicas: number
  /** Whose proposals in epoch 0 are changes of the members (epoch-replica.ts); nobody's if empty. */
  readonly changers?: readonly number[]
  /** Proposals in total. All write one key, so all interfere. */
  readonly instances: number
  /** Whether replicas restart, so that their journals matter. */
  readonly restarts: boolean
  /** Quorum reads in total. */
  readonly reads?: number
  readonly fastCrashes?: number
  /** Without the shortcuts of the search (see System), for comparison. */
  readonly plain?: boolean
}

export interface Output {
  readonly to: number
  readonly message: Wire
}

/** The epoch for which a replica is made, and what it tells of its execution; see epoch-replica.ts. */
export interface Era {
  readonly members: Membership
  executed(name: string): void
  /** Whether further components execute. */
  isOpen(): boolean
}

/** Time stands still: no timer fires unless an input makes it due. */
const NOW_MS = 1000

const NEVER_MS = 1e12

const TIMING: Timing = {
  ...DEFAULT_TIMING,
  lazyMs: 0,
  heartbeatMs: NEVER_MS,
  suspectMs: NEVER_MS,
  lookMs: 0,
  retryMs: 0,
  recoverMs: 0,
  maxRetryMs: 0,
  askMs: 0,
}

/** After this many tries the core restarts a running recovery, minus the one that {@link Replica.apply} makes. */
const TRIES_BEFORE_RECOVERY = 2

/**
 * One replica: the shipped core with the reference engine and a disk. What it journals is durable at the end of each
 * input, until the replica is doomed. From then on nothing becomes durable, and what waits for the disk is not sent,
 * until it restarts.
 */
export class Replica {
  readonly id: number
  readonly #setup: Setup
  readonly #members: Membership
  readonly #era: Era | null
  #core!: Core
  #engine!: ReferenceEngine
  #journal: (readonly JournalRecord[])[] = []
  #durable = 0
  #doomed = false
  /** It may still restart: the contents of its disk are part of its state. */
  #mortal: boolean
  #crashed = false
  #outputs: Output[] = []
  /** What it has handed to the execution in any of its lives: `row.slot` with `noop` or the dependencies. */
  readonly decisions = new Map<string, string>()
  /** The names of the commands that it has executed in this life, in order. */
  executed: string[] = []
  /** The same in any of its lives. */
  readonly ever = new Set<string>()
  #reads = new TrackedReads()
  #lives = 0

  /** `id`: the row of the replica. */
  constructor(setup: Setup, id: number, era: Era | null = null) {
    this.id = id
    this.#setup = setup
    this.#era = era
    this.#members = era?.members ?? members(setup.replicas, setup.fastCrashes)
    this.#mortal = setup.restarts
    this.#start()
  }

  /** Own slots in use. */
  get slot(): number {
    return this.#core.slot
  }

  readonly left = false
  /** What had executed at the end of earlier epochs. */
  readonly closed: ReadonlyMap<number, string> = new Map()

  get epoch(): number {
    return this.#members.epoch
  }

  get crashed(): boolean {
    return this.#crashed
  }

  get doomed(): boolean {
    return this.#doomed
  }

  get mortal(): boolean {
    return this.#mortal
  }

  instance(row: number, slot: number): Instance | undefined {
    return this.#core.instance(row, slot)
  }

  /**
   * Applies the input and returns the messages that it sends. Throws if an invariant breaks. An input that is
   * impossible now changes nothing.
   */
  apply(input: Input): readonly Output[] {
    this.#outputs = []
    if (this.#crashed) return this.#outputs
    const before = this.#snapshots()
    // Every Accept carries its batch, so the set of holders is not part of the state.
    for (const { attempt } of this.#instances()) if (attempt !== null) attempt.holders = 0
    this.#handle(input)
    this.#finishTurn()
    if (input.kind !== 'restart') this.#check(before)
    return this.#outputs
  }

  /** Proposes a command of this name, which writes these keys; returns what it sends. */
  propose(name: string, key: string): readonly Output[] {
    this.#outputs = []
    this.#core.propose(batch(name, key))
    this.#finishTurn()
    return this.#outputs
  }

  get #replicas(): number {
    return this.#members.quorums.replicas
  }

  /** Everything that its further behaviour depends on: equal texts behave alike. */
  text(): string {
    if (this.#crashed) return 'crashed'
    const flags = `${this.#doomed ? 'd' : ''}${this.#mortal ? 'm' : ''}`
    const disk = this.#mortal || this.#doomed ? `\ndisk ${this.#restored().#stateText()}` : ''
    return `${flags}${this.#stateText()}${disk}`
  }

  /** The instances that wait for more answers than they need. */
  impatient(): Instance[] {
    return this.#instances().filter(
      ({ attempt }) => attempt !== null && 'patienceMs' in attempt && attempt.patienceMs > 0,
    )
  }

  #handle(input: Input): void {
    switch (input.kind) {
      case 'deliver':
        this.#reads.hear(input.from, input.message as Message)
        return this.#core.receive(input.from, input.message as Message)
      case 'read':
        return this.#reads.begin(this.#core, this.#engine, input.mustSee)
      case 'propose':
        this.#core.propose(batch(`${this.id}.${this.#core.slot + 1}`, 'a'))
        return
      case 'recover':
        return this.#recover(input.row, input.slot)
      case 'expire':
        return this.#expire(input.row, input.slot)
      case 'unlink':
        return this.#core.linkDown(input.peer)
      case 'doom':
        this.#doomed = true
        return
      case 'restart':
        this.#journal.length = this.#durable
        this.#doomed = false
        return this.#start()
      case 'settle':
        this.#mortal = false
        return
      case 'crash':
        this.#crashed = true
    }
  }

  #start(): void {
    this.executed = []
    this.#reads = new TrackedReads()
    this.#lives++
    this.#engine = new ReferenceEngine(this.#replicas)
    this.#core = new Core({
      id: this.id,
      members: this.#members,
      engine: this.#engine,
      timing: TIMING,
      random: () => 0.5,
      start: this.#lives,
      readBatch: (number, index) => this.#readBatch(number, index),
    })
    this.#journal.forEach((records, i) => {
      records.forEach((record, index) => {
        this.#core.replay(record as InstanceRecord, i + 1, index)
      })
    })
    this.#core.found()
    this.#core.start(this.#journal.length, NOW_MS)
    for (let peer = 0; peer < this.#replicas; peer++) if (peer !== this.id) this.#core.linkUp(peer)
    this.#finishTurn()
  }

  #readBatch(number: number, index: number): Batch {
    const record = this.#journal[number - 1]?.[index]
    if (record === undefined || !('batch' in record) || record.batch === null) throw new Error('no batch there')
    return record.batch
  }

  /**
   * A nudge recovers an instance that nobody coordinates here; a check that finds it due restarts a running recovery.
   */
  #recover(row: number, slot: number): void {
    const instance = this.#core.instance(row, slot)
    if (instance?.committed) return
    const attempt = instance?.attempt ?? null
    if (instance === undefined || attempt === null) {
      const nudger = (this.id + 1) % this.#replicas
      return this.#core.receive(nudger, { type: MessageType.tryRecover, epoch: this.#members.epoch, row, slot })
    }
    if (attempt.ballot === 0 && instance.seenBallot === 0) return
    for (const other of this.#instances()) other.dueMs = 0
    instance.dueMs = NOW_MS
    instance.tries = TRIES_BEFORE_RECOVERY
    this.#core.tick(NOW_MS)
  }

  /** The instance no longer waits for more answers; the others still do. */
  #expire(row: number, slot: number): void {
    for (const instance of this.impatient()) {
      instance.dueMs = 0
      const attempt = instance.attempt as { patienceMs: number }
      attempt.patienceMs = instance.row === row && instance.slot === slot ? NOW_MS : NEVER_MS
    }
    for (const other of this.#instances()) other.dueMs = 0
    this.#core.tick(NOW_MS)
  }

  #finishTurn(): void {
    this.#flush()
    while (!this.#doomed && this.#durable < this.#journal.length) {
      this.#durable = this.#journal.length
      this.#core.durable(this.#durable)
      this.#flush()
    }
  }

  #flush(): void {
    const effects = this.#core.take()
    if (effects.records.length > 0) {
      this.#journal.push(effects.records)
      if (effects.number !== this.#journal.length) throw new Error('the journal numbers of core and disk differ')
    }
    for (const output of effects.messages) if (output.message.type !== MessageType.heartbeat) this.#outputs.push(output)
    for (const instance of effects.commits) this.#commit(instance)
    if (effects.commits.length > 0) this.#execute()
    for (const read of effects.reads) this.#reads.answered(read, this.executed)
    // What has executed may be what reads waited for.
    if (effects.commits.length > 0 && this.#setup.reads !== undefined) this.#flush()
  }

  #commit(instance: Instance): void {
    const noop = instance.command === Command.noop
    const decision = noop ? 'noop' : `[${instance.deps}]`
    const known = this.decisions.get(`${instance}`)
    if (known !== undefined && known !== decision)
      throw new Error(`Agreement: ${instance} is ${decision}, was ${known}`)
    this.decisions.set(`${instance}`, decision)
    this.#engine.commit(instance.row, instance.slot, noop ? null : (instance.deps as Vector))
  }

  #execute(): void {
    if (this.#era?.isOpen() === false) return
    const order = this.#engine.execute()
    for (let i = 0; i < order.length && this.#era?.isOpen() !== false; ) {
      const size = order[i++] as number
      for (let k = 0; k < size; k++) {
        const [row, slot] = [order[i++] as number, order[i++] as number]
        const executing = this.#core.batchToExecute(row, slot)
        if (executing !== null) this.#executeOnce(nameOf(executing.commands))
        this.#core.markExecuted(row, slot)
      }
    }
  }

  #executeOnce(name: string): void {
    if (this.executed.includes(name)) throw new Error(`Execution: ${name} is executed twice`)
    this.executed.push(name)
    this.ever.add(name)
    this.#era?.executed(name)
  }

  #instances(): Instance[] {
    const found: Instance[] = []
    for (let row = 0; row < this.#replicas; row++) {
      for (let slot = 1; slot <= this.#setup.instances; slot++) {
        const instance = this.#core.instance(row, slot)
        if (instance !== undefined) found.push(instance)
      }
    }
    return found
  }

  #stateText(): string {
    let links = ''
    for (let peer = 0; peer < this.#replicas; peer++) links += this.#core.alive(peer) ? '+' : '-'
    const reads = this.#setup.reads === undefined ? '' : ` life ${this.#lives}${this.#reads.text()}`
    return `${this.#core.slot}${links}${reads}${stateText(this.#instances(), this.#core.durableNumber)}`
  }

  /** The replica as it would come back after a restart. */
  #restored(): Replica {
    const era = this.#era === null ? null : { ...this.#era, executed: () => {}, isOpen: () => true }
    const restored = new Replica({ ...this.#setup, restarts: false }, this.id, era)
    restored.#journal = this.#journal.slice(0, this.#durable)
    restored.#durable = this.#durable
    restored.#lives = this.#lives
    restored.#start()
    return restored
  }

  #snapshots(): Map<string, Snapshot> {
    return new Map(this.#instances().map((instance) => [`${instance}`, snapshot(instance)]))
  }

  #check(before: ReadonlyMap<string, Snapshot>): void {
    for (const instance of this.#instances()) {
      checkState(instance)
      const known = before.get(`${instance}`)
      if (known !== undefined) checkStep(known, instance)
    }
  }
}
