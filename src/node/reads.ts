import type { Vector } from '../engine/engine.ts'
import { FootprintBuilder, hashed } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { Ahead } from '../execution/ahead.ts'
import type { Budget } from '../execution/budget.ts'
import { GroupKind, GroupReader } from '../execution/groups.ts'
import type { StateMachine } from '../execution/machine.ts'
import { NOTHING, ResultWriter, Status } from '../execution/results.ts'
import type { Core } from '../protocol/core.ts'
import type { Read } from '../protocol/open-reads.ts'
import type { Part } from './part.ts'
import type { VoidGroup } from './proposals.ts'
import type { Respond } from './requests.ts'

/** Commands that wait for their state; beyond it, reads are refused. A fraction of a second of a busy replica. */
export const MAX_OPEN_READS = 1 << 16

/** The bytes of their groups. */
export const MAX_OPEN_READ_BYTES = 32 << 20

/**
 * A group whose reads wait for so long is answered in parts: those that are done, and the others as `crowded`, so that
 * one key that somebody is still writing does not hold up the others.
 */
const PARTS_AFTER_MS = 100

/** How many keys are remembered within a turn, so that reads of one key share everything. */
const LATELY = 1 << 10

/** A read that its owner gave to the core. */
export interface OwnedRead extends Read {
  /** The state may be read for it. */
  finished(): void
}

/** A group of commands that each read one key. */
interface ReadGroup {
  readonly bytes: Uint8Array
  /** By command. */
  readonly keys: KeyRead[]
  readonly sinceMs: number
  readonly respond: Respond
  /** Commands whose state may not be read yet. */
  left: number
  open: boolean
}

/** All reads of one key that arrived in one turn: mostly one. */
class KeyRead implements OwnedRead {
  readonly lo: number
  readonly hi: number
  /** The turn in which it arrived. */
  readonly turn: number
  readonly everything = false
  done = false
  readonly #group: ReadGroup
  #others: ReadGroup[] | null = null
  readonly #ready: ReadGroup[]

  constructor(lo: number, hi: number, turn: number, group: ReadGroup, ready: ReadGroup[]) {
    this.lo = lo
    this.hi = hi
    this.turn = turn
    this.#group = group
    this.#ready = ready
  }

  add(group: ReadGroup): void {
    this.#others ??= []
    this.#others.push(group)
  }

  get wanted(): boolean {
    return this.#group.open || (this.#others?.some(({ open }) => open) ?? false)
  }

  finished(): void {
    this.done = true
    this.#finish(this.#group)
    if (this.#others !== null) for (const group of this.#others) this.#finish(group)
  }

  #finish(group: ReadGroup): void {
    if (--group.left === 0 && group.open) this.#ready.push(group)
  }
}

export interface QuorumReadsOptions {
  readonly core: Pick<Core, 'read' | 'readUpTo'>
  readonly machine: StateMachine
  /** After this time a read is answered as unknown. */
  readonly requestTimeoutMs: number
}

/** How groups of reads ended. */
export interface ReadCounts {
  answered: number
  /** Answered in part, because a key took long. */
  inParts: number
  timedOut: number
  abandoned: number
  refused: number
}

/**
 * Linearizable reads of one key each, without the log (protocol.md §7). The reads of one turn share one probe, and
 * those of one key share everything. When the core says that the state may be read, the commands are applied to it,
 * between two commands of the log.
 */
export class QuorumReads implements Part {
  readonly counts: ReadCounts = { answered: 0, inParts: 0, timedOut: 0, abandoned: 0, refused: 0 }
  readonly #options: QuorumReadsOptions
  readonly #reader = new GroupReader()
  readonly #footprint = new FootprintBuilder()
  readonly #ahead: Ahead
  readonly #results = new ResultWriter()
  /** The lanes of the keys of one group. */
  #lanes = new Uint32Array(64)
  /** The keys of this turn, for which no probe was sent yet. */
  #gathered: KeyRead[] = []
  #turn = 0
  /** By a part of the hash: the last key that had it, of whichever turn. */
  readonly #lately: (KeyRead | undefined)[] = new Array(LATELY).fill(undefined)
  #upTo: { readonly read: KeyRead; readonly vector: Vector }[] = []
  /** In the order of their arrival. */
  readonly #open = new Set<ReadGroup>()
  #openReads = 0
  #openBytes = 0
  /** Groups that can be answered, and the first of them that was not. */
  readonly #ready: ReadGroup[] = []
  #next = 0

  constructor(options: QuorumReadsOptions) {
    this.#options = options
    this.#ahead = new Ahead(options.machine)
  }

  /** Groups that are not answered. */
  get waiting(): number {
    return this.#open.size
  }

  /** Whether {@link run} has work to do. */
  get pending(): boolean {
    return this.#next < this.#ready.length
  }

  /**
   * Takes a group and copies its bytes; then `respond` is called exactly once, later. Returns false if it is not a
   * group of commands that each read one key and nothing else. Throws an `EpaxosError` for a group that is refused.
   * @param upTo the state must contain every instance up to there, and nobody is asked; null to ask a quorum
   */
  submit(bytes: Uint8Array, nowMs: number, upTo: Vector | null, respond: Respond): boolean {
    if (!this.#readsSingleKeys(bytes)) return false
    const { count } = this.#reader
    if (this.#openReads + count > MAX_OPEN_READS || this.#openBytes + bytes.length > MAX_OPEN_READ_BYTES) {
      this.counts.refused++
      throw new EpaxosError(ErrorCode.busy, 'too many reads are waiting')
    }
    const group: ReadGroup = {
      ...{ bytes: bytes.slice(), keys: [], sinceMs: nowMs, respond, left: count, open: true },
    }
    for (let i = 0; i < count; i++) {
      const lo = this.#lanes[2 * i] as number
      const hi = this.#lanes[2 * i + 1] as number
      group.keys.push(upTo === null ? this.#keyRead(lo, hi, group) : this.#readUpTo(lo, hi, group, upTo))
    }
    this.#open.add(group)
    this.#openReads += count
    this.#openBytes += bytes.length
    if (count === 0) this.#ready.push(group)
    return true
  }

  /** One probe for everything that has arrived; what arrives from now on needs another one. */
  turn(): void {
    if (this.#gathered.length > 0) {
      const gathered = this.#gathered
      this.#gathered = []
      this.#turn++
      this.#options.core.read(gathered)
    }
    for (const { read, vector } of this.#upTo.splice(0)) this.#options.core.readUpTo(read, vector)
  }

  /** Applies the commands of groups that can be answered, until the budget is spent. */
  run(budget: Budget): void {
    while (this.pending && !budget.spent) {
      const group = this.#ready[this.#next++] as ReadGroup
      if (!group.open) continue
      this.counts.answered++
      this.#answer(group, budget)
    }
    if (this.pending) return
    this.#ready.length = 0
    this.#next = 0
  }

  poll(nowMs: number): void {
    for (const group of this.#open) {
      const waitedMs = nowMs - group.sinceMs
      if (waitedMs < PARTS_AFTER_MS) return
      const { left, keys } = group
      // Also one that could be answered, if the epoch is closed: that of the next one has to be read.
      if (waitedMs >= this.#options.requestTimeoutMs) {
        this.counts.timedOut++
        this.#close(group)
        group.respond({ outcome: 'unknown', code: ErrorCode.timeout, message: 'not answered in time' })
      } else if (left > 0 && left < keys.length) {
        this.counts.inParts++
        this.#answer(group, null)
      }
    }
  }

  /** The epoch is closed: the next one has to be asked (protocol.md §11). Returns what is not answered. */
  handOver(): VoidGroup[] {
    const { requestTimeoutMs } = this.#options
    this.#forget()
    return [...this.#open].map((group) => {
      this.#close(group)
      return { group: group.bytes, deadlineMs: group.sinceMs + requestTimeoutMs, waiters: [group.respond] }
    })
  }

  abandon(code: ErrorCode, message: string): void {
    this.#forget()
    for (const group of [...this.#open]) {
      this.counts.abandoned++
      this.#close(group)
      group.respond({ outcome: 'unknown', code, message })
    }
  }

  #forget(): void {
    this.#gathered = []
    this.#turn++
    this.#upTo = []
    this.#ready.length = 0
    this.#next = 0
  }

  /** Opens the group, and puts the hashes of its keys into `#lanes`. */
  #readsSingleKeys(bytes: Uint8Array): boolean {
    const reader = this.#reader
    reader.open(bytes, 0)
    if (reader.kind !== GroupKind.commands || reader.end !== bytes.length) return false
    if (2 * reader.count > this.#lanes.length) this.#lanes = new Uint32Array(4 * reader.count)
    const keys = this.#footprint
    while (reader.next()) {
      keys.clear()
      this.#options.machine.footprint(bytes, reader.commandStart, reader.commandEnd, keys)
      if (!keys.isOneRead()) return false
      this.#lanes[2 * reader.index] = hashed.lo
      this.#lanes[2 * reader.index + 1] = hashed.hi
    }
    return true
  }

  /** Most reads of a key in one turn share one; a few may have one of their own. */
  #keyRead(lo: number, hi: number, group: ReadGroup): KeyRead {
    const known = this.#lately[lo % LATELY]
    if (known !== undefined && known.turn === this.#turn && known.lo === lo && known.hi === hi) {
      known.add(group)
      return known
    }
    const read = new KeyRead(lo, hi, this.#turn, group, this.#ready)
    this.#lately[lo % LATELY] = read
    this.#gathered.push(read)
    return read
  }

  #readUpTo(lo: number, hi: number, group: ReadGroup, vector: Vector): KeyRead {
    const read = new KeyRead(lo, hi, this.#turn, group, this.#ready)
    this.#upTo.push({ read, vector })
    return read
  }

  /** Without a budget only a part is answered, whose bytes are few or were read before. */
  #answer(group: ReadGroup, budget: Budget | null): void {
    const { bytes, keys, respond } = group
    const { machine } = this.#options
    const reader = this.#reader
    const results = this.#results
    this.#close(group)
    reader.reopen(bytes, 0)
    this.#ahead.begin(bytes)
    results.beginGroup()
    while (reader.next()) {
      this.#ahead.step()
      const { commandStart, commandEnd } = reader
      if ((keys[reader.index] as KeyRead).done) {
        machine.apply(bytes, commandStart, commandEnd, results.begin())
        const length = results.end(Status.applied)
        budget?.spend(commandEnd - commandStart + length)
      } else results.add(Status.crowded, NOTHING)
    }
    results.endGroup()
    respond({ outcome: 'done', results: results.take() })
  }

  #close(group: ReadGroup): void {
    group.open = false
    if (!this.#open.delete(group)) return
    this.#openReads -= group.keys.length
    this.#openBytes -= group.bytes.length
  }
}
