import { decodeImage, encodeImage } from '../../src/codec/image.ts'
import type { Engine, Vector } from '../../src/engine/engine.ts'
import { hashed, hashKey } from '../../src/engine/footprint.ts'
import { Core } from '../../src/protocol/core.ts'
import type { ImageHead } from '../../src/protocol/image.ts'
import type { Installed } from '../../src/protocol/install.ts'
import type { Instance } from '../../src/protocol/instance.ts'
import { type Batch, Command, type Message } from '../../src/protocol/messages.ts'
import type { Read } from '../../src/protocol/open-reads.ts'
import type { InstanceRecord, JournalRecord } from '../../src/protocol/records.ts'
import { contains, executedOf } from '../../src/protocol/runs.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch, nameOf } from './batches.ts'
import type { Cluster } from './cluster.ts'
import { interferes } from './interference.ts'
import { members } from './members.ts'

/** A read at one replica. */
export interface TestRead extends Read {
  readonly key: string
  /** What had executed anywhere when it began. */
  readonly mustSee: readonly string[]
  wanted: boolean
  done: boolean
}

function testRead(key: string, mustSee: readonly string[]): TestRead {
  hashKey(new TextEncoder().encode(key))
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
