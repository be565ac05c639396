import type { Message } from '../../src/protocol/messages.ts'
import type { MemoryNetwork } from '../../src/transport/memory.ts'
import type { EngineMaker } from '../support/engine-makers.ts'
import type { Random } from '../support/random.ts'
import { AgeWatch } from './age-watch.ts'
import { SimulatedClient } from './client.ts'
import { Counters } from './counters.ts'
import { Faults } from './faults.ts'
import { judge, search } from './judge.ts'
import { makeNetwork } from './network.ts'
import { Operator } from './operator.ts'
import { type Options, stream } from './options.ts'
import { Record } from './record.ts'
import type { Sabotage } from './sabotage.ts'
import { SimulatedReplica } from './simulated-replica.ts'
import { SweepWatch } from './sweep-watch.ts'
import { VirtualTime } from './time.ts'
import { Trace } from './trace.ts'
import { Violation } from './violation.ts'
import { Watcher } from './watcher.ts'
import { Pools, type Workload, workloadOf } from './workload.ts'
import type { World } from './world.ts'

export interface Outcome {
  readonly options: Options
  /** Null where everything held. */
  readonly failure: Error | null
  /** The last events before it. */
  readonly lastEvents: readonly string[]
  readonly counters: Counters
  readonly virtualMs: number
  /** Equal for equal options, with whatever engine. */
  readonly traceHash: string
  readonly events: number
}

/** Everything open ends within this time after the faults, in ms. */
const LIVENESS_MS = 60_000

/** For the first part of the liveness phase to be over, and the last commits to be everywhere. */
const SETTLE_MS = 60_000

/** One run of a whole cluster of the shipped code: a safety phase with faults, then everything must come to rest. */
export class Simulation implements World {
  readonly options: Options
  readonly makeEngine: EngineMaker['make']
  readonly sabotage: Sabotage
  readonly time = new VirtualTime()
  readonly counters = new Counters()
  readonly network: MemoryNetwork
  readonly workload: Workload
  readonly pools: Pools
  readonly watcher: Watcher
  readonly diskRandom: Random
  failure: Error | null = null
  healed = false
  readonly record = new Record()
  readonly operator: Operator
  readonly sweeps: SweepWatch
  readonly #trace = new Trace()
  readonly #replicas: SimulatedReplica[]
  readonly #clients: SimulatedClient[]
  readonly #faults: Faults

  constructor(options: Options, engine: EngineMaker, sabotage: Sabotage = {}) {
    this.options = options
    this.sweeps = new SweepWatch(this.counters, this.record, new AgeWatch(this.counters, this.time, options))
    this.makeEngine = engine.make
    this.sabotage = sabotage
    this.network = makeNetwork(this)
    this.workload = workloadOf(options)
    this.pools = new Pools(options.keys)
    this.watcher = new Watcher(options.replicas)
    this.diskRandom = stream(options.seed, 'disk')
    const ids = Array.from({ length: options.replicas }, (_, id) => id)
    this.#replicas = ids.map((id) => new SimulatedReplica(this, id))
    this.operator = new Operator(this, this.#replicas)
    this.#clients = Array.from(
      { length: options.clients.count },
      (_, id) => new SimulatedClient(this, id, this.#replicas, this.record),
    )
    this.#faults = new Faults(this, this.#replicas, this.#clients)
  }

  happened(what: string, ...details: (string | number | Message)[]): void {
    this.#trace.add(this.time.now, what, ...details)
  }

  traced(bytes: Uint8Array): void {
    this.#trace.bytes(bytes)
  }

  fail(error: Error): void {
    this.failure ??= error
  }

  async run(): Promise<Outcome> {
    try {
      await this.#safetyPhase()
      await this.#livenessPhase()
      if (this.failure === null) this.#checkHistory()
    } catch (error) {
      this.fail(error as Error)
    }
    for (const replica of this.#replicas) replica.crash()
    return this.#outcome()
  }

  async #safetyPhase(): Promise<void> {
    const { durationMs, faults } = this.options
    for (const replica of this.#replicas) this.#startFirst(replica)
    this.operator.begin()
    for (const client of this.#clients) client.start()
    this.#faults.plan(faults)
    await this.time.run(durationMs, () => this.failure !== null)
    for (const replica of this.#replicas) replica.life?.lookAtAll()
  }

  #startFirst(replica: SimulatedReplica): void {
    const delayMs = this.options.firstStarts[replica.id] as number
    if (delayMs === 0) return replica.start()
    this.counters.add('foundings delayed')
    this.time.after(delayMs, () => {
      if (!this.healed) replica.start()
    })
  }

  async #livenessPhase(): Promise<void> {
    if (this.failure !== null) return
    // Founding needs all members, until one of those that go on has heard of it.
    const isFounded = (id: number) => this.operator.choose(this.#replicas[id] as SimulatedReplica).refresh().founded
    const all = this.#replicas.map(({ id }) => id)
    const survivors = this.options.survivors.some(isFounded) ? this.options.survivors : all
    this.happened('the faults are over', survivors.join())
    this.healed = true
    this.#faults.end()
    for (const client of this.#clients) client.stop()
    const live = this.#replicas.filter(({ id }) => survivors.includes(id))
    for (const replica of this.#replicas) this.#mend(replica, live.includes(replica))
    await this.#untilAtRest(live)
    if (live.length < this.#replicas.length) {
      for (const replica of this.#replicas) replica.start()
      await this.#untilAtRest(this.#replicas)
    }
    await this.#readEverything()
    await this.#untilAtRest(this.#replicas)
    if (this.failure === null) this.#checkStates()
  }

  #mend(replica: SimulatedReplica, lives: boolean): void {
    replica.trap = null
    for (const { disk, checkpoints, space, undo } of replica.kept) {
      disk.full = false
      checkpoints.full = false
      space.release()
      undo()
    }
    replica.addedDiskMs = 0
    const { life } = replica
    const isBroken = life !== null && (life.boot.kind !== 'own' || life.boot.damage !== null || life.muted)
    if (!lives || isBroken || replica.away) replica.crash()
    replica.endOriginal()
    replica.away = false
    replica.directory = this.operator.choose(replica)
    replica.excused.clear()
    for (const other of this.#replicas) if (other !== replica) this.network.heal(replica.id, other.id)
    if (!lives) return
    life?.process.resume()
    replica.start()
  }

  /** Every request is answered, or given up, and those that are up have executed the same and know of nothing open. */
  async #untilAtRest(live: readonly SimulatedReplica[]): Promise<void> {
    const isDone = (): boolean => {
      if (this.failure !== null) return true
      if (this.#clients.some(({ waiting }) => waiting > 0)) return false
      return live.every(({ life }) => life !== null && life.member.notReady === null && life.atRest) && agree(live)
    }
    const end = this.time.now + LIVENESS_MS
    if (await this.time.run(end, isDone)) return
    const waiting = this.#clients.map(({ waiting }) => waiting)
    const replicas = live.map(({ id, life }) => {
      if (life === null) return `${id} is down`
      const { core, executor, notReady } = life.member
      return (
        `${id}: ${notReady ?? 'ready'}, committed ${core.committed}, executed ${executor.executed.vector}, ` +
        `open for ${core.oldestUncommittedMs} ms`
      )
    })
    throw new Violation('Liveness', `clients wait for ${waiting}; ${replicas.join('; ')}`)
  }

  /** Reads every key that was ever used, at some replica: everything answered must be there. */
  async #readEverything(): Promise<void> {
    const [client] = this.#clients
    const random = stream(this.options.seed, 'last reads')
    for (const pool of this.pools.used) {
      for (const input of this.workload.readAll(pool)) client?.ask(input, random.below(this.#replicas.length))
    }
    const answered = await this.time.run(
      this.time.now + SETTLE_MS,
      () => this.failure !== null || client?.waiting === 0,
    )
    if (!answered) throw new Violation('Liveness', 'the last reads are not answered')
  }

  #checkStates(): void {
    const hashes = this.#replicas.map(({ life }) => life?.member.executor.stateHash())
    for (const hash of hashes) {
      if (hash !== hashes[0]) throw new Violation('State', `replicas have executed the same, and differ: ${hashes}`)
    }
    for (const replica of this.#replicas) replica.life?.lookAtAll()
  }

  #checkHistory(): void {
    const executed = this.record.executedOperations()
    const { reads } = this.record
    this.counters.add('reads without the log', reads.length)
    judge(this.workload, executed, [...reads, ...this.record.weakReads])
    if (search(this.workload, executed, reads)) this.counters.add('histories searched')
  }

  #outcome(): Outcome {
    const { counters, watcher } = this
    counters.addAll(watcher.ends)
    counters.add('instances decided', watcher.decisions.count)
    counters.add('no-ops decided', watcher.decisions.noops)
    counters.add('decided without knowing what ran everywhere', watcher.decisions.strangers)
    counters.add('operations', this.record.operations.length)
    counters.add('operations answered', this.record.operations.filter(({ output }) => output !== null).length)
    return {
      options: this.options,
      failure: this.failure,
      lastEvents: this.#trace.lines(),
      counters,
      virtualMs: this.time.now,
      traceHash: this.#trace.hash,
      events: this.#trace.length,
    }
  }
}

/** Whether all have executed the same, wherever it came from. */
function agree(replicas: readonly SimulatedReplica[]): boolean {
  const vectors = replicas.map(({ life }) => life?.member.executor.executed.vector.join())
  return vectors.every((vector) => vector === vectors[0])
}
