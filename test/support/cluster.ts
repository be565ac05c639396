import { decodeImage, encodeImage } from '../../src/codec/image.ts'
import type { Engine, Vector } from '../../src/engine/engine.ts'
import { type Footprint, FootprintBuilder, hashed, hashKey } from '../../src/engine/footprint.ts'
import { Core } from '../../src/protocol/core.ts'
import type { ImageHead } from '../../src/protocol/image.ts'
import type { Installed } from '../../src/protocol/install.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { type Batch, Command, type Message, Phase } from '../../src/protocol/messages.ts'
import type { Read } from '../../src/protocol/open-reads.ts'
import type { InstanceRecord, JournalRecord } from '../../src/protocol/records.ts'
import { contains, executedOf } from '../../src/protocol/runs.ts'
import { DEFAULT_TIMING, type Timing } from '../../src/protocol/timing.ts'
import { equal, includes } from '../../src/protocol/vector.ts'
import { interferes } from './interference.ts'
import { members } from './members.ts'

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

const text = new TextEncoder()

/**
 * A batch whose commands are its name, and whose footprint writes the keys. A key that begins with `?` is read; `*` is
 * everything.
 */
export function batch(name: string, ...keys: string[]): Batch {
  const builder = new FootprintBuilder()
  for (const key of keys) {
    if (key === '*') builder.everything()
    else if (key.startsWith('?')) builder.read(text.encode(key.slice(1)))
    else builder.write(text.encode(key))
  }
  return { footprint: builder.take(), commands: text.encode(name) }
}

export function nameOf(commands: Uint8Array): string {
  return new TextDecoder().decode(commands)
}

/** A read at one replica. */
export interface TestRead extends Read {
  readonly key: string
  /** What had executed anywhere when it began. */
  readonly mustSee: readonly string[]
  wanted: boolean
  done: boolean
}

function testRead(key: string, mustSee: readonly string[]): TestRead {
  hashKey(text.encode(key))
  return { ...hashed, everything: key === '*', wanted: true, key, mustSee, done: false }
}

/**
 * One replica of a test: the core with an engine, a disk that can lose what was not synced, and the executed commands.
 */
export class TestReplica {
  readonly id: number
  readonly cluster: Cluster
  core!: Core
  engine!: Engine
  up = true
  /** The names of what it executed since its last start, in order. */
  executed: string[] = []
  /** Of this start. */
  reads: TestRead[] = []
  #journal: (readonly JournalRecord[])[] = []
  #durable = 0
  /** The last one first; it counts once the journal is durable up to its number. */
  #checkpoints: Checkpoint[] = []
  #batches = new Map<string, Batch>()

  constructor(cluster: Cluster, id: number) {
    this.cluster = cluster
    this.id = id
    this.start()
  }

  get unsynced(): number {
    return this.#journal.length - this.#durable
  }

  get journal(): readonly (readonly JournalRecord[])[] {
    return this.#journal
  }

  start(): void {
    const { options } = this.cluster
    this.up = true
    const [checkpoint] = this.#checkpoints
    this.executed = [...(checkpoint?.executed ?? [])]
    this.reads = []
    this.engine = options.makeEngine(options.replicas)
    this.core = new Core({
      id: this.id,
      members: members(options.replicas, options.fastCrashes),
      engine: this.engine,
      // Every record is journaled in its turn, unless a test sets it otherwise.
      timing: { ...DEFAULT_TIMING, lazyMs: 0, ...options.timing },
      random: options.random ?? (() => 0.5),
      start: ++this.cluster.starts,
      readBatch: options.memory === true ? null : (number, index) => this.#readBatch(number, index),
    })
    if (checkpoint !== undefined) {
      for (const part of decodeImage(checkpoint.image, members(options.replicas))) this.core.restore(part)
    }
    const from = checkpoint?.number ?? 0
    this.#journal.slice(from).forEach((records, i) => {
      records.forEach((record, index) => {
        this.core.replay(record as InstanceRecord, from + i + 1, index)
      })
    })
    this.core.found()
    this.core.start(this.#journal.length, this.cluster.nowMs)
  }

  /** Loses what was not synced. A bad disk also loses every record that `forgets` names, although it was synced. */
  crash(forgets: (record: JournalRecord) => boolean = () => false): void {
    this.up = false
    this.#checkpoints = this.#checkpoints.filter(({ number }) => number <= this.#durable)
    this.#journal.length = this.#durable
    this.#journal = this.#journal.map((records) => records.filter((record) => !forgets(record)))
  }

  sync(): void {
    this.#durable = this.#journal.length
    this.core.durable(this.#durable)
    this.flush()
  }

  /** Takes a checkpoint, as of now. It is written later, in slices, when {@link write} is called. */
  checkpoint(): { write(): void } {
    const image = this.core.image()
    const [number, executed] = [this.#journal.length, [...this.executed]]
    return {
      write: () => this.#checkpoints.unshift({ number, executed, head: image.head, image: [...encodeImage(image)] }),
    }
  }

  /** Begins anew, from a checkpoint of somebody who has forgotten all that had executed. */
  beginAfter(executed: Vector): void {
    const head = { epoch: 0, slot: executed[this.id] as number, floor: executed, dropped: executed, executed }
    const part = { kind: 'head', head: { ...head, beyond: executed.map(() => []) } } as const
    const image = {
      head: part.head,
      release: () => {},
      *parts() {
        yield part
      },
    }
    this.#journal = []
    this.#checkpoints = [{ number: 0, executed: [], head: part.head, image: [...encodeImage(image)] }]
    this.start()
  }

  /** What a peer gets of it: a checkpoint as of now. */
  image(): PeerImage {
    const image = this.core.image()
    return { head: image.head, executed: [...this.executed], chunks: [...encodeImage(image)] }
  }

  /** Whether it contains what has executed here. */
  mayInstall({ head }: PeerImage): boolean {
    const { executed } = this.core
    const here = executedOf(
      executed.vector,
      executed.vector.map((_, row) => executed.beyond(row)),
    )
    return contains(executedOf(head.executed, head.beyond), here)
  }

  install(giver: TestReplica): Installed {
    return this.installImage(giver.image())
  }

  /** Replaces what it has executed, as the driver does with the state. */
  installImage({ chunks, executed }: PeerImage): Installed {
    const installed = this.core.install(decodeImage(chunks, members(this.cluster.options.replicas)))
    this.executed = [...executed]
    this.flush()
    return installed
  }

  /** Its last checkpoint is whole and synced, and what it rests on is. */
  settle(): void {
    this.sync()
    const [checkpoint] = this.#checkpoints
    if (checkpoint !== undefined) this.core.settled(checkpoint.head)
  }

  /** Forgets the journal before the last checkpoint that counts. */
  trim(): void {
    const [checkpoint] = this.#checkpoints.filter(({ number }) => number <= this.#durable)
    if (checkpoint === undefined) return
    this.#checkpoints = [checkpoint]
    for (let i = 0; i < checkpoint.number; i++) this.#journal[i] = []
  }

  propose(batch: Batch): Instance {
    const instance = this.core.propose(batch)
    this.flush()
    return instance
  }

  receive(from: number, message: Message): void {
    this.core.receive(from, message)
    this.flush()
  }

  tick(): void {
    this.core.tick(this.cluster.nowMs)
    this.flush()
  }

  /** Does what the driver does with the effects of a turn. */
  flush(): void {
    const effects = this.core.take()
    if (effects.records.length > 0) {
      this.#journal.push(effects.records)
      if (effects.number !== this.#journal.length) throw new Error('the journal numbers of core and disk differ')
    }
    for (const { to, message } of effects.messages) this.cluster.send({ from: this.id, to, message })
    for (const instance of effects.commits) this.#commit(instance)
    for (const instance of effects.rejected) this.cluster.onRejected(this, instance)
    for (const read of effects.reads) this.#answer(read as TestRead)
    const executed = this.#execute()
    this.cluster.watch?.stepped(this)
    if (effects.records.length > 0 && this.cluster.options.autoSync !== false) this.sync()
    // What has executed may be what reads waited for.
    else if (executed) this.flush()
  }

  /** Begins reads of one key each, with one probe. */
  read(...keys: string[]): TestRead[] {
    const reads = keys.map((key) => testRead(key, this.#seenBy(key)))
    this.reads.push(...reads)
    this.core.read(reads)
    this.flush()
    return reads
  }

  readAll(): TestRead {
    const read = testRead('*', this.#seenBy('*'))
    this.core.readAll(read)
    this.flush()
    return read
  }

  /** Reads the key at least as far as the vector. */
  readUpTo(key: string, upTo: Vector): TestRead {
    const read = testRead(key, [])
    this.core.readUpTo(read, upTo)
    this.flush()
    return read
  }

  /** What has executed anywhere and interferes with a read of the key. */
  #seenBy(key: string): string[] {
    const { footprint } = key === '*' ? batch('', '*') : batch('', `?${key}`)
    return [...this.cluster.executed].flatMap(([name, its]) => (interferes(footprint, its) ? [name] : []))
  }

  #answer(read: TestRead): void {
    if (read.done) throw new Error(`Reads: ${read.key} is answered twice`)
    read.done = true
    const missing = read.mustSee.filter((name) => !this.executed.includes(name))
    if (missing.length > 0) throw new Error(`Linearizability: a read of ${read.key} at ${this.id} misses ${missing}`)
  }

  #commit(instance: Instance): void {
    this.cluster.onCommitted(this, instance)
    if (instance.batch !== null) this.#batches.set(`${instance}`, instance.batch)
    this.engine.commit(
      instance.row,
      instance.slot,
      instance.command === Command.noop ? null : (instance.deps as Vector),
    )
  }

  /** Returns whether anything has executed. */
  #execute(): boolean {
    const order = this.engine.execute().slice()
    for (let i = 0; i < order.length; ) {
      const size = order[i++] as number
      if (size > 1) this.cluster.components++
      for (let k = 0; k < size; k++) {
        const row = order[i++] as number
        const slot = order[i++] as number
        const instance = this.core.instance(row, slot) as Instance
        if (instance.command === Command.batch) this.#executeBatch(instance.batch as Batch)
        this.core.markExecuted(row, slot)
      }
    }
    return order.length > 0
  }

  #executeBatch({ commands, footprint }: Batch): void {
    const name = nameOf(commands)
    this.executed.push(name)
    this.cluster.executed.set(name, footprint)
  }

  #readBatch(number: number, index: number): Batch | null {
    const records = this.#journal[number - 1]
    if (records?.length === 0) return null
    const record = records?.[index]
    if (record === undefined || !('batch' in record) || record.batch === null) throw new Error('no batch there')
    return record.batch
  }
}

/** What a peer gets of a replica. */
export interface PeerImage {
  readonly head: ImageHead
  readonly executed: readonly string[]
  readonly chunks: readonly Uint8Array[]
}

interface Checkpoint {
  readonly head: ImageHead
  /** It contains the journal up to this value. */
  readonly number: number
  readonly image: readonly Uint8Array[]
  /** What stands for the state of a machine. */
  readonly executed: readonly string[]
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
