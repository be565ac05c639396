import type { Engine, Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { Command, type Message, Phase } from '../../src/protocol/messages.ts'
import type { JournalRecord } from '../../src/protocol/records.ts'
import type { Timing } from '../../src/protocol/timing.ts'
import { equal, includes } from '../../src/protocol/vector.ts'
import { nameOf } from './batches.ts'
import { interferes } from './interference.ts'
import { TestReplica } from './test-replica.ts'

export interface Sent {
  readonly from: number
  readonly to: number
  readonly message: Message
}

export interface ClusterOptions {
  readonly replicas: number
  readonly makeEngine: (replicas: number) => Engine
  readonly random?: () => number
  readonly timing?: Partial<Timing>
  /** Journal values become durable at once. */
  readonly autoSync?: boolean
  /** Batches are not read back from the journal, as with durability memory. */
  readonly memory?: boolean
  readonly fastCrashes?: number
}

/** Watches the cluster: throws if a step breaks an invariant. */
export interface Watch {
  /** A message left a replica, so everything that it rests on is durable there. */
  sent(sent: Sent): void
  /** A replica has handled something, and its effects are sent. */
  stepped(replica: TestReplica): void
  /** A replica came back with what its disk kept. */
  restarted(replica: TestReplica): void
}

interface Decision {
  readonly command: Command
  readonly deps: Vector
  readonly footprint: Footprint | null
  readonly name: string
}

/**
 * Replicas, and a network that delivers only what the test picks. Checks Agreement at each commit, and the rest on
 * request.
 */
export class Cluster {
  readonly options: ClusterOptions
  readonly replicas: TestReplica[]
  readonly decisions = new Map<string, Decision>()
  nowMs = 1000
  /** In flight. */
  messages: Sent[] = []
  /** Components of more than one instance, over all replicas. */
  components = 0
  /** Of all replicas. */
  starts = 0
  /** What has executed anywhere, and its footprints. */
  readonly executed = new Map<string, Footprint>()
  watch: Watch | null = null
  onRejected: (replica: TestReplica, instance: Instance) => void = () => {}

  constructor(options: ClusterOptions) {
    this.options = options
    this.replicas = []
    for (let id = 0; id < options.replicas; id++) this.replicas.push(new TestReplica(this, id))
    this.linkAll()
    for (const replica of this.replicas) replica.flush()
    this.messages = []
  }

  replica(id: number): TestReplica {
    return this.replicas[id] as TestReplica
  }

  linkAll(): void {
    for (const a of this.replicas) {
      for (const b of this.replicas) if (a !== b && a.up && b.up) a.core.linkUp(b.id)
    }
  }

  send(sent: Sent): void {
    this.watch?.sent(sent)
    this.messages.push(sent)
  }

  /** Delivers one message. It then leaves the network, unless it is kept for a repetition. */
  deliver(sent: Sent, keep = false): void {
    if (!keep) this.drop(sent)
    const to = this.replica(sent.to)
    if (to.up) to.receive(sent.from, sent.message)
  }

  drop(sent: Sent): void {
    const at = this.messages.indexOf(sent)
    if (at >= 0) this.messages.splice(at, 1)
  }

  find(filter: Partial<Pick<Sent, 'from' | 'to'>> & { type?: number; row?: number; slot?: number }): Sent[] {
    return this.messages.filter(
      ({ from, to, message }) =>
        (filter.from === undefined || filter.from === from) &&
        (filter.to === undefined || filter.to === to) &&
        (filter.type === undefined || filter.type === message.type) &&
        (filter.row === undefined || ('row' in message && filter.row === message.row)) &&
        (filter.slot === undefined || ('slot' in message && filter.slot === message.slot)),
    )
  }

  /** Delivers, in order, everything that passes the filter, and the messages that follow from it. */
  deliverAll(passes: (sent: Sent) => boolean = () => true): void {
    for (let i = 0; i < 1_000_000; i++) {
      const next = this.messages.find(passes)
      if (next === undefined) return
      this.deliver(next)
    }
    throw new Error('messages without end')
  }

  /** Advances the time and delivers everything, until the condition holds. */
  run(condition: () => boolean, limitMs: number, stepMs = 10): void {
    const end = this.nowMs + limitMs
    this.deliverAll()
    while (!condition()) {
      if (this.nowMs >= end) throw new Error(`not reached within ${limitMs} ms`)
      this.nowMs += stepMs
      for (const replica of this.replicas) if (replica.up) replica.tick()
      this.deliverAll()
    }
  }

  /** Like {@link TestReplica.crash}; the others notice that the links are down. */
  crash(id: number, forgets?: (record: JournalRecord) => boolean): void {
    this.replica(id).crash(forgets)
    for (const other of this.replicas) if (other.up) other.core.linkDown(id)
  }

  restart(id: number): void {
    this.replica(id).start()
    this.watch?.restarted(this.replica(id))
    this.linkAll()
    this.replica(id).flush()
  }

  onCommitted(replica: TestReplica, instance: Instance): void {
    const key = `${instance}`
    const decided = this.decisions.get(key)
    const deps = instance.deps as Vector
    if (decided !== undefined) {
      if (decided.command !== instance.command || !equal(decided.deps, deps)) {
        throw new Error(`Agreement: ${key} is [${deps}] at ${replica.id} and was [${decided.deps}]`)
      }
      if (decided.footprint !== null || instance.batch === null) return
    }
    const { command, batch } = instance
    const name = batch === null ? '' : nameOf(batch.commands)
    this.decisions.set(key, { command, deps, footprint: batch?.footprint ?? null, name })
  }

  /** Checks Visibility, and that interfering commands executed in the same order at all replicas that are up. */
  check(): void {
    this.checkVisibility()
    this.checkOrder()
  }

  checkVisibility(): void {
    const committed = [...this.decisions].filter(([, d]) => d.command === Command.batch)
    for (const [a, x] of committed) {
      for (const [b, y] of committed) {
        if (a >= b || !interferes(x.footprint as Footprint, y.footprint as Footprint)) continue
        const [ar, as] = a.split('.').map(Number) as [number, number]
        const [br, bs] = b.split('.').map(Number) as [number, number]
        if (!includes(x.deps, br, bs) && !includes(y.deps, ar, as)) throw new Error(`Visibility: ${a} and ${b}`)
      }
    }
  }

  checkOrder(): void {
    const footprints = new Map([...this.decisions.values()].map((d) => [d.name, d.footprint]))
    const [first, ...others] = this.replicas.filter((r) => r.up)
    if (first === undefined) return
    const positions = new Map(first.executed.map((name, i) => [name, i]))
    for (const replica of this.replicas) {
      if (new Set(replica.executed).size !== replica.executed.length) throw new Error(`executed twice at ${replica.id}`)
    }
    for (const other of others) {
      const shared = other.executed.filter((name) => positions.has(name))
      for (let i = 0; i < shared.length; i++) {
        for (let j = i + 1; j < shared.length; j++) {
          const [a, b] = [shared[i] as string, shared[j] as string]
          if ((positions.get(a) as number) < (positions.get(b) as number)) continue
          if (interferes(footprints.get(a) as Footprint, footprints.get(b) as Footprint)) {
            throw new Error(`Order: ${a} and ${b} differ between ${first.id} and ${other.id}`)
          }
        }
      }
    }
  }

  /** The invariants of protocol.md §5 that concern one instance at one replica. */
  checkInstance(instance: Instance): void {
    const voted = instance.phase === Phase.accepted || instance.phase === Phase.committed
    if (instance.voteBallot > 0 && !voted) throw new Error(`${instance} has a vote ballot without a vote`)
    if (instance.voteBallot > instance.ballot) throw new Error(`${instance} voted above its promise`)
  }
}
