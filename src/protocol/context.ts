import type { Engine, Vector } from '../engine/engine.ts'
import { DurablyExecuted } from './durably.ts'
import type { Effects, Envelope } from './effects.ts'
import { ExecutedSet } from './executed.ts'
import type { Instance } from './instance.ts'
import type { Membership } from './membership.ts'
import type { Batch, InstanceMessage, Message } from './messages.ts'
import { OpenReads, type Read } from './open-reads.ts'
import { Peers } from './peers.ts'
import type { Quorums } from './quorums.ts'
import { type InstanceRecord, type JournalRecord, type MemberRecord, RecordType } from './records.ts'
import { Row } from './row.ts'
import type { Timing } from './timing.ts'
import { transition } from './transition.ts'
import { zeros } from './vector.ts'

export interface CoreOptions {
  /** The members of the epoch that this core is for: an epoch has its own core. */
  readonly members: Membership
  /** The row of this replica: the core names members by their rows only. */
  readonly id: number
  readonly engine: Engine
  readonly timing: Timing
  /** Uniform in [0, 1): jitter is all it is used for. */
  readonly random: () => number
  /**
   * Reads a batch back from the journal, by the number of the value and the index of the record in it: batches leave
   * memory once executed. It returns null if the journal holds the value no longer. Null where nothing is journaled:
   * then batches stay in memory until every member has executed them.
   */
  readonly readBatch: ((number: number, index: number) => Batch | null) | null
  /** Names this start among all starts of this replica: random, below 2^53. */
  readonly start: number
  /** A hash, from 1 and below 2^53, of the state after exactly the executed prefixes; 0 where that cannot be said. */
  readonly stateHash?: () => number
}

/**
 * Why a message is dropped: it is of another epoch, its slot is beyond the reach of its row, another field is out of
 * its range, it is a heartbeat that contradicts itself, or its ballot is from too far above.
 */
export type DropReason = 'epoch' | 'slot' | 'field' | 'heartbeat' | 'ballot'

export interface Counts {
  /** Own instances committed in one round trip. */
  fast: number
  /** Own instances that needed Accept in ballot 0. */
  slow: number
  /** Instances that this replica committed by recovering them. */
  recovered: number
  /** Instances committed as no-ops here, by whomever. */
  noop: number
  /** Recoveries begun here. */
  recoveries: number
  /** Peers that were suspected although they only had been silent for long. */
  falseSuspicions: number
  /** Messages that no correct peer sends, or that name slots beyond their row's reach. */
  readonly dropped: number
  readonly drops: Record<DropReason, number>
  /** Requests of peers beyond their allowance, which were not answered. */
  deferred: number
  /** Keys read without the log: by a quorum, or up to a given vector. */
  reads: number
  /** Those that had to wait for the execution of an instance, and those that waited for an unknown payload first. */
  readsWaited: number
  readsBlocked: number
  /** Instances that were forgotten because every member has executed them. */
  forgotten: number
  /** Requests that were answered with Truncated. */
  truncated: number
}

/**
 * A disk hangs if a write takes this many times as long as the longest one lately. Each write makes a little of that be
 * forgotten. One write makes the time after which a disk is said to hang at most twice as long, so a hang hides no
 * other one soon after, and a disk that is slow all the time is soon distinguished.
 */
const HUNG_FACTOR = 4
const FORGETTING = 0.98

const NO_RECORDS: readonly JournalRecord[] = []
const NO_MESSAGES: readonly Envelope[] = []

/**
 * What the phases share: the instances, the rules of votes, and the effects that gather until the driver takes them.
 */
export class Context {
  readonly id: number
  readonly epoch: number
  readonly quorums: Quorums
  readonly engine: Engine
  readonly timing: Timing
  readonly random: () => number
  readonly readBatch: CoreOptions['readBatch']
  readonly stateHash: () => number
  readonly rows: readonly Row[]
  readonly executed: ExecutedSet
  readonly durably: DurablyExecuted
  readonly peers: Peers
  readonly counts: Counts = {
    fast: 0,
    slow: 0,
    recovered: 0,
    noop: 0,
    recoveries: 0,
    falseSuspicions: 0,
    drops: { epoch: 0, slot: 0, field: 0, heartbeat: 0, ballot: 0 },
    get dropped() {
      return Object.values(this.drops).reduce((sum, count) => sum + count, 0)
    },
    deferred: 0,
    reads: 0,
    readsWaited: 0,
    readsBlocked: 0,
    forgotten: 0,
    truncated: 0,
  }
  /** Instances of which this replica coordinates the Waiting of a recovery. */
  readonly waits = new Set<Instance>()
  /** Instances with an own attempt that has a deadline (patience). */
  readonly impatient = new Set<Instance>()
  /** Called after each commit while there are {@link waits}. */
  onCommitted: (context: Context) => void = () => {}
  readonly reads: OpenReads
  /** Of {@link CoreOptions.start}. */
  readonly start: number

  /** All members know each other durably; until then this replica takes no part (protocol.md §9). */
  founded = false
  nowMs = 0
  /** When the next heartbeat is due. */
  heartbeatMs = 0
  /** A: what every member has executed durably, as far as this replica knows (protocol.md §10). */
  floor: Vector
  /** What the next heartbeat says of it. */
  saidFloor: Vector
  /** Images that are being read: nothing is forgotten meanwhile. */
  images = 0
  /** What had executed, durably or not, at the last heartbeat. */
  lastExecuted: readonly number[] = []
  /** Since when some peer has had another state after the same instances, in ms; null if none has. */
  differentSinceMs: number | null = null
  /** When the open instances are checked again. */
  lookMs = 0
  /** When the reaches of the rows are updated to their highest slots. */
  followMs = 0
  /** The highest own slot in use. */
  slot = 0
  /** When records that nothing waits for are written at the latest. */
  lazyMs = 0
  #durable = 0
  /**
   * Since when nothing has become durable although something waits for it, and the longest time that this took
   * recently.
   */
  #writingMs = 0
  #longestWriteMs = 0

  #number = 0
  #records: JournalRecord[] = []
  /** Whether something waits for `#records`. */
  #urgent = false
  #messages: Envelope[] = []
  #commits: Instance[] = []
  #rejected: Instance[] = []
  #answered: Read[] = []
  /** What waits for the journal, by the number of the journal value. */
  readonly #waiting = new Map<number, (() => void)[]>()

  constructor(options: CoreOptions) {
    this.id = options.id
    const { epoch, quorums } = options.members
    const { replicas } = quorums
    this.epoch = epoch
    this.quorums = quorums
    this.engine = options.engine
    this.timing = options.timing
    this.random = options.random
    this.readBatch = options.readBatch
    this.stateHash = options.stateHash ?? (() => 0)
    this.executed = new ExecutedSet(replicas)
    this.durably = new DurablyExecuted(replicas)
    this.floor = zeros(replicas)
    this.saidFloor = zeros(replicas)
    this.rows = Array.from({ length: replicas }, (_, row) => new Row(row))
    this.peers = new Peers(options.id, replicas, options.timing.suspectMs)
    this.reads = new OpenReads(replicas)
    this.start = options.start
  }

  row(row: number): Row {
    return this.rows[row] as Row
  }

  /** Per row: every slot up to here is forgotten. */
  get dropped(): Vector {
    return this.rows.map((row) => row.dropped)
  }

  isForgotten(row: number, slot: number): boolean {
    return slot <= this.row(row).dropped
  }

  /** What is known of the instance, if anything; changes nothing. */
  find(row: number, slot: number): Instance | undefined {
    return this.row(row).find(slot)
  }

  /**
   * The instance, made if nothing is known of it; it is not forgotten. An own slot that anybody mentions is in use
   * (protocol.md §2).
   */
  open(row: number, slot: number): Instance {
    const known = this.find(row, slot)
    if (known !== undefined) return known
    if (row === this.id && slot > this.slot) this.slot = slot
    return this.row(row).make(slot)
  }

  /** An instance depends on these prefixes: what is open in them is looked after. */
  mention(deps: Vector): void {
    for (let r = 0; r < deps.length; r++) this.row(r).mention(deps[r] as number)
  }

  /** The number of the journal value for the records of this turn. */
  get nextNumber(): number {
    return this.#number + 1
  }

  /** Everything in the journal up to this value is durable. */
  get durable(): number {
    return this.#durable
  }

  /** The journal is replayed up to value `number`. */
  resumeAt(number: number): void {
    this.#number = number
    this.#setDurable(number)
  }

  #setDurable(number: number): void {
    this.#durable = number
    this.durably.durable(number)
  }

  /** Makes the transition and journals it. Messages of the instance rest on it: they wait for it. */
  record(instance: Instance, record: InstanceRecord): void {
    this.recordLazily(instance, record)
    instance.gate = this.nextNumber
    this.#urgent = true
  }

  /** The same if nothing waits for it: it is journaled with the next value that is written anyway, or soon. */
  recordLazily(instance: Instance, record: InstanceRecord): void {
    transition(instance, record)
    if (record.type === RecordType.com) instance.comNumber = this.nextNumber
    if ('batch' in record && record.batch !== null) {
      instance.batchNumber = this.nextNumber
      instance.batchIndex = this.#records.length
      // It leaves memory when it has executed, and is then read back from the journal.
      this.#urgent = true
    }
    this.#records.push(record)
  }

  writeDown(records: readonly MemberRecord[]): number {
    this.#records.push(...records)
    this.#urgent = true
    return this.nextNumber
  }

  /** The batch for a record of the instance: once in the journal is enough. */
  batchToRecord(instance: Instance): Batch | null {
    return instance.batchNumber === 0 ? instance.batch : null
  }

  /**
   * Does something when the journal is durable up to value `number`: at once if it is. The one way in which anything
   * waits for the journal. Actions run in the order of their numbers, and in the order of the calls for each number.
   */
  afterDurable(number: number, action: () => void): void {
    if (number <= this.durable) return action()
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) this.#waiting.set(number, [action])
    else waiting.push(action)
  }

  /** Sends a message that rests on the instance's records. */
  send(to: number, instance: Instance, message: InstanceMessage): void {
    this.afterDurable(instance.gate, () => this.#messages.push({ to, message }))
  }

  /** Sends a message that rests on no record. */
  sendFreely(to: number, message: Message): void {
    this.#messages.push({ to, message })
  }

  broadcast(instance: Instance, message: InstanceMessage): void {
    for (const to of this.peers.others) this.send(to, instance, message)
  }

  /** Hands a commit to the execution; one that was decided here waits for the records it rests on. */
  execute(instance: Instance, decidedHere: boolean): void {
    this.afterDurable(decidedHere ? instance.gate : 0, () => this.#commits.push(instance))
  }

  reject(instance: Instance): void {
    this.#rejected.push(instance)
  }

  /** The state may be read for this read. */
  answer(read: Read): void {
    this.#answered.push(read)
  }

  /**
   * Whether the disk makes nothing durable, although its recent writes took much less time. A slow disk does not hang.
   */
  get isDiskHung(): boolean {
    return this.durable !== this.#number && this.nowMs - this.#writingMs > this.#hungAfterMs
  }

  get #hungAfterMs(): number {
    return Math.max(this.timing.suspectMs, HUNG_FACTOR * this.#longestWriteMs)
  }

  /** This replica was stopped, not its disk: the time of the current write begins anew. */
  excuseDisk(): void {
    this.#writingMs = this.nowMs
  }

  releaseUpTo(number: number): void {
    if (number > this.durable) {
      const tookMs = Math.min(this.nowMs - this.#writingMs, (2 * this.#hungAfterMs) / HUNG_FACTOR)
      this.#longestWriteMs = Math.max(tookMs, this.#longestWriteMs * FORGETTING)
      this.#writingMs = this.nowMs
    }
    const first = this.durable + 1
    this.#setDurable(Math.max(this.durable, number))
    for (let n = first; n <= number; n++) {
      const waiting = this.#waiting.get(n)
      if (waiting === undefined) continue
      this.#waiting.delete(n)
      for (const action of waiting) action()
    }
  }

  /**
   * The effects since the last call. Records that nothing waits for are held back until `lazyMs`, for a value that is
   * written anyway.
   */
  take(): Effects {
    const due = this.#records.length > 0 && (this.#urgent || this.nowMs >= this.lazyMs)
    if (due && this.durable === this.#number) this.#writingMs = this.nowMs
    const effects = {
      records: due ? this.#records : NO_RECORDS,
      number: due ? ++this.#number : this.#number,
      // Peers count on any replica that speaks: a replica that can promise nothing is silent until its disk is back.
      messages: this.isDiskHung ? NO_MESSAGES : this.#messages,
      commits: this.#commits,
      rejected: this.#rejected,
      reads: this.#answered,
    }
    if (due) {
      this.#records = []
      this.#urgent = false
      this.lazyMs = this.nowMs + this.timing.lazyMs
    }
    this.#messages = []
    this.#commits = []
    this.#rejected = []
    this.#answered = []
    return effects
  }

  /** Records held back are written with the next {@link take}. */
  hasten(): void {
    this.#urgent = this.#records.length > 0
  }
}
