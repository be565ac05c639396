import { FootprintBuilder, MAX_FOOTPRINT_KEYS } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { COMMAND_WORK } from '../execution/budget.ts'
import {
  GROUP_HEADER_BYTES,
  GROUP_KIND_AT,
  GroupKind,
  GroupReader,
  giveName,
  groupSize,
  type NameParts,
  type PreparedGroup,
  prepareGroup,
} from '../execution/groups.ts'
import type { StateMachine } from '../execution/machine.ts'
import { groupEnd } from '../execution/results.ts'
import type { Numbers } from '../metrics/numbers.ts'
import type { Core } from '../protocol/core.ts'
import type { Batch } from '../protocol/messages.ts'
import { Admission } from './admission.ts'
import type { Part } from './part.ts'
import type { Answer, Respond } from './requests.ts'

/** A batch with this many bytes is closed, so that one instance does not delay the others of its turn. */
const BATCH_BYTES = 1 << 20
const BATCH_KEYS = MAX_FOOTPRINT_KEYS >>> 4
const BATCH_WORK = 8 << 20

/** Bytes that wait for a proposal; beyond this, commands are refused. */
export const MAX_WAITING_BYTES = 32 << 20

/** A waiting batch holds what came within this fraction of the longest wait, because it is refused as a whole. */
const BATCH_SPAN = 1 / 8

/**
 * One group in flight, with everybody who waits for it. A client that repeats a request joins the first copy, even if
 * that was answered as unknown in the meantime: what was proposed is executed all the same.
 */
interface Entry {
  waiters: Respond[]
  /** The key by which a repetition finds it; null without a session. */
  readonly key: string | null
  deadlineMs: number
}

interface Gathered {
  readonly batch: Batch
  readonly entries: Entry[]
  /** A client's, and not a command of the replicas themselves. */
  readonly ofClients: boolean
  /** The cost of its execution, as `Budget` counts it. */
  readonly work: number
  /**
   * The first turn in which it could have been proposed, in ms; null before. A long turn of this replica does not count
   * as a wait.
   */
  sinceMs: number | null
  /** When it was last proposed, in ms; null for never. */
  proposedMs: number | null
}

/** A group of a client that has certainly not executed, with everybody who waits for it. */
export interface VoidGroup {
  readonly group: Uint8Array
  readonly deadlineMs: number
  readonly waiters: readonly Respond[]
}

export type Load = Pick<Numbers, 'running' | 'runningWork' | 'runningLimit' | 'flightMs' | 'waiting' | 'waitingBytes'>

export interface ProposalsOptions {
  readonly core: Pick<Core, 'founded' | 'propose'>
  readonly machine: StateMachine
  /** The maximum number of own unexecuted instances. */
  readonly window: number
  /** After this time a command is answered as unknown. */
  readonly requestTimeoutMs: number
  /** Whether the session has a name that is known, so that its update adds none. */
  readonly isKnown: (session: string) => boolean
  /** The parts of the names of sessions that are opened here. */
  readonly place: () => Omit<NameParts, 'count'>
}

/**
 * Gathers the groups of clients into batches, and answers them when their instances have executed. While `window` own
 * instances are unexecuted, or as many commands as {@link Admission} allows, what arrives gathers in the next batch
 * (protocol.md §6, bounded tails). What would wait there, or has waited, for too long is refused: it is certainly not
 * done.
 */
export class Proposals implements Part {
  /** While the disk is nearly full, only groups that change nothing are accepted. */
  onlyReads = false
  /** While sessions keep more than they may, no update of a session is accepted. */
  sessionsAreFull = false
  /** While there are too many names of sessions, nothing is accepted that adds one. */
  sessionsAreCrowded = false
  readonly #options: ProposalsOptions
  readonly #admission: Admission
  readonly #group = new GroupReader()
  /** The number of sessions opened here. */
  #opened = 0
  readonly #keys = new FootprintBuilder()
  #commands = new Uint8Array(1 << 16)
  #length = 0
  /** The mark in `#keys` before the last group. */
  #mark: readonly [number, number, number] = [0, 0, 0]
  #entries: Entry[] = []
  #work = 0
  /** Of the gathered groups; see {@link Gathered.sinceMs}. */
  #sinceMs: number | null = null
  /** Closed batches: those that were proposed before, then the others, oldest first. */
  #queue: Gathered[] = []
  #queuedBytes = 0
  #queuedWork = 0
  /** By own slot. */
  readonly #running = new Map<number, Gathered>()
  readonly #bySession = new Map<string, Entry>()

  constructor(options: ProposalsOptions) {
    this.#options = options
    this.#admission = new Admission(options.requestTimeoutMs)
  }

  /**
   * Takes a group and copies its bytes. Throws an `EpaxosError` for a group that is refused: certainly not done.
   * Otherwise `respond` is called exactly once, later.
   *
   * @param deadlineMs when it is answered as unknown; the request timeout from now on if absent
   */
  submit(
    group: Uint8Array,
    nowMs: number,
    respond: Respond,
    deadlineMs = nowMs + this.#options.requestTimeoutMs,
  ): void {
    if (this.#isTooMuch(group, nowMs) && !this.#isRepetition(group)) throw new EpaxosError(ErrorCode.busy, BUSY)
    if (this.#length > 0 && this.#isFull(group, nowMs)) this.#close()
    const prepared = this.#prepareSomewhere(group)
    const key = keyOf(prepared)
    const running = key === null ? undefined : this.#bySession.get(key)
    if (running !== undefined) {
      this.#keys.rewind(this.#mark)
      if (running.waiters.length === 0) running.deadlineMs = deadlineMs
      running.waiters.push(respond)
      return
    }
    if (this.onlyReads && mayChange(prepared)) {
      this.#keys.rewind(this.#mark)
      throw new EpaxosError(ErrorCode.diskFull, 'the disk is nearly full: updates are refused')
    }
    const isCrowd = this.sessionsAreCrowded && this.#addsName(prepared)
    if (isCrowd || (this.sessionsAreFull && fillsSessions(prepared))) {
      this.#keys.rewind(this.#mark)
      throw new EpaxosError(ErrorCode.busy, 'all sessions together keep too much: again in a moment')
    }
    this.#length += group.length
    this.#work += group.length + prepared.count * COMMAND_WORK
    const entry: Entry = { waiters: [respond], key, deadlineMs }
    this.#entries.push(entry)
    if (key !== null) this.#bySession.set(key, entry)
  }

  /** Proposes an empty batch that interferes with everything: when it has executed here, everything before it has. */
  submitBarrier(nowMs: number, respond: Respond): void {
    this.#close()
    this.#keys.everything()
    const batch = { footprint: this.#keys.take(), commands: new Uint8Array(0) }
    const deadlineMs = nowMs + this.#options.requestTimeoutMs
    const entries = [{ waiters: [respond], key: null, deadlineMs }]
    this.#queue.push({ batch, entries, ofClients: false, work: 0, sinceMs: null, proposedMs: null })
  }

  /**
   * Proposes a command of the replicas for their sessions, before everything that waits. It interferes with everything:
   * every replica has executed the same before it.
   */
  submitAlone(commands: Uint8Array, nowMs: number, respond: Respond): void {
    const deadlineMs = nowMs + this.#options.requestTimeoutMs
    const keys = new FootprintBuilder()
    keys.everything()
    const entries = [{ waiters: [respond], key: null, deadlineMs }]
    const batch = { footprint: keys.take(), commands }
    this.#queue.unshift({ batch, entries, ofClients: false, work: 0, sinceMs: null, proposedMs: null })
    this.#queuedBytes += commands.length
  }

  /** Proposes what may be proposed. */
  turn(nowMs: number): void {
    const { core } = this.#options
    if (!core.founded) return
    this.#shed(nowMs)
    for (; this.#mayPropose; this.#shed(nowMs)) {
      if (this.#queue.length === 0) this.#close()
      const gathered = this.#unqueue()
      gathered.proposedMs = nowMs
      this.#admission.proposed(gathered.work)
      this.#running.set(core.propose(gathered.batch).slot, gathered)
    }
  }

  /** The instance has executed: `results` are those of its groups, in order. */
  executed(slot: number, results: Uint8Array, nowMs: number): void {
    const gathered = this.#running.get(slot)
    if (gathered === undefined) return
    this.#running.delete(slot)
    this.#admission.executed(gathered.work, gathered.proposedMs as number, nowMs)
    let at = 0
    for (const entry of gathered.entries) {
      // A barrier has no group, and so no results.
      const end = at < results.length ? groupEnd(results, at) : at
      if (entry.key !== null) this.#bySession.delete(entry.key)
      this.#answer(entry, { outcome: 'done', results: results.subarray(at, end) })
      at = end
    }
  }

  /** The instance became a no-op: its batch was certainly not executed and is proposed again, before all others. */
  rejected(slot: number): void {
    const gathered = this.#running.get(slot)
    if (gathered === undefined) return
    this.#running.delete(slot)
    this.#admission.rejected(gathered.work)
    this.#queue.unshift(gathered)
    this.#queuedBytes += gathered.batch.commands.length
    this.#queuedWork += gathered.work
  }

  /** The instance has executed, but not here, so its results are not known. */
  executedElsewhere(slot: number): void {
    const gathered = this.#running.get(slot)
    if (gathered === undefined) return
    this.#running.delete(slot)
    this.#admission.rejected(gathered.work)
    for (const entry of gathered.entries) {
      if (entry.key !== null) this.#bySession.delete(entry.key)
      const message = 'it was done while this replica was behind: its result is not known here'
      this.#answer(entry, { outcome: 'unknown', code: ErrorCode.timeout, message })
    }
  }

  /**
   * The epoch is closed: returns the groups of clients that have not executed and never will (protocol.md §11), to be
   * proposed in the next epoch. The replicas' own commands are refused.
   *
   * @param here whether it was closed by what executed here: then nothing executes any more. Otherwise what is in
   *   flight may have executed elsewhere before, and is answered as unknown.
   */
  handOver(here: boolean): VoidGroup[] {
    if (!here) for (const slot of [...this.#running.keys()]) this.executedElsewhere(slot)
    this.#close()
    const groups: VoidGroup[] = []
    for (const { batch, entries, ofClients } of [...this.#running.values(), ...this.#queue]) {
      let at = 0
      for (const entry of entries) {
        const end = ofClients ? at + groupSize(batch.commands, at) : at
        const { waiters, deadlineMs } = entry
        entry.waiters = []
        if (!ofClients) for (const respond of waiters) respond(CLOSED)
        else if (waiters.length > 0) groups.push({ group: batch.commands.subarray(at, end), deadlineMs, waiters })
        at = end
      }
    }
    this.#running.clear()
    this.#queue = []
    this.#bySession.clear()
    return groups
  }

  /** Answers what is past its deadline: it may be done, now or later. What was not proposed in time is refused. */
  poll(nowMs: number): void {
    this.#shed(nowMs)
    this.#answerEach((entry) => entry.deadlineMs <= nowMs, ErrorCode.timeout, 'not answered in time')
  }

  /** Answers everything that is open, because this replica will learn nothing more about it. */
  abandon(code: ErrorCode, message: string): void {
    this.#answerEach(() => true, code, message)
    this.#bySession.clear()
  }

  /** What is in flight and what waits, for people. */
  get load(): Load {
    const { work, limit, flightMs } = this.#admission.load
    return {
      ...{ running: this.#running.size, runningWork: work, runningLimit: limit, flightMs },
      ...{ waiting: this.waiting, waitingBytes: this.#queuedBytes + this.#length },
    }
  }

  /** Entries that are neither answered nor given up. */
  get waiting(): number {
    let count = 0
    for (const { waiters } of this.#allEntries()) if (waiters.length > 0) count++
    return count
  }

  get #mayPropose(): boolean {
    const { window } = this.#options
    return this.#running.size < window && this.#admission.open && (this.#length > 0 || this.#queue.length > 0)
  }

  *#allEntries(): Generator<Entry> {
    for (const { entries } of this.#running.values()) yield* entries
    for (const { entries } of this.#queue) yield* entries
    yield* this.#entries
  }

  #answerEach(which: (entry: Entry) => boolean, code: ErrorCode, message: string): void {
    for (const entry of this.#allEntries()) {
      if (entry.waiters.length > 0 && which(entry)) this.#answer(entry, { outcome: 'unknown', code, message })
    }
  }

  #answer(entry: Entry, answer: Answer): void {
    const { waiters } = entry
    entry.waiters = []
    for (const respond of waiters) respond(answer)
  }

  /** In the gathered batch, or in the next one if the batch has no room for the keys of the group. */
  #prepareSomewhere(group: Uint8Array): PreparedGroup {
    try {
      return this.#prepare(group)
    } catch (error) {
      const full = error instanceof EpaxosError && error.code === ErrorCode.tooLarge && this.#length > 0
      if (!full) throw error
      this.#close()
      return this.#prepare(group)
    }
  }

  /** Copies the group behind the gathered ones and checks it there, because the check changes its bytes. */
  #prepare(group: Uint8Array): PreparedGroup {
    const end = this.#length + group.length
    if (end > this.#commands.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#commands.length))
      larger.set(this.#commands.subarray(0, this.#length))
      this.#commands = larger
    }
    this.#commands.set(group, this.#length)
    this.#mark = this.#keys.mark()
    const copy = this.#commands.subarray(this.#length, end)
    if (copy[GROUP_KIND_AT] === GroupKind.open)
      giveName(copy, { ...this.#options.place(), count: this.#opened++ % 2 ** 32 })
    return prepareGroup(copy, this.#options.machine, this.#keys)
  }

  #close(): void {
    if (this.#length === 0) return
    const batch = { footprint: this.#keys.take(), commands: this.#commands.slice(0, this.#length) }
    const [entries, work] = [this.#entries, this.#work]
    this.#queue.push({ batch, entries, ofClients: true, work, sinceMs: this.#sinceMs, proposedMs: null })
    this.#queuedBytes += this.#length
    this.#queuedWork += work
    this.#entries = []
    this.#length = 0
    this.#work = 0
    this.#sinceMs = null
  }

  #unqueue(at = 0): Gathered {
    const [gathered] = this.#queue.splice(at, 1) as [Gathered]
    this.#queuedBytes -= gathered.batch.commands.length
    this.#queuedWork -= gathered.work
    return gathered
  }

  /**
   * Refuses batches that have waited for too long. A batch that was proposed before stays: a copy of its requests may
   * be done, and protocol.md §4 requires that it is proposed again.
   */
  #shed(nowMs: number): void {
    const { longestWaitMs } = this.#admission
    if (this.#length > 0) this.#sinceMs ??= nowMs
    for (const gathered of this.#queue) gathered.sinceMs ??= nowMs
    if (this.#sinceMs !== null && nowMs - this.#sinceMs > longestWaitMs) this.#close()
    for (let at = 0; at < this.#queue.length; ) {
      const { proposedMs, sinceMs } = this.#queue[at] as Gathered
      if (proposedMs !== null || nowMs - (sinceMs ?? nowMs) <= longestWaitMs) at++
      else this.#refuse(this.#unqueue(at))
    }
  }

  #refuse({ entries }: Gathered): void {
    for (const entry of entries) {
      if (entry.key !== null) this.#bySession.delete(entry.key)
      this.#answer(entry, { outcome: 'refused', code: ErrorCode.busy, message: BUSY })
    }
  }

  /** Whether there may be one more name of a session afterwards, open or closed. */
  #addsName({ kind, session, updates }: PreparedGroup): boolean {
    if (kind === GroupKind.open) return true
    const isUse = kind === GroupKind.expire || (session !== '' && updates > 0)
    return isUse && !this.#options.isKnown(session)
  }

  #isTooMuch(group: Uint8Array, nowMs: number): boolean {
    const bytes = this.#queuedBytes + this.#length
    const oldest = this.#queue.find(({ proposedMs, work }) => proposedMs === null && work > 0)
    const oldestMs = (oldest ?? { sinceMs: this.#sinceMs }).sinceMs ?? nowMs
    if (bytes > 0 && bytes + group.length > MAX_WAITING_BYTES) return true
    return this.#admission.refuses(this.#queuedWork + this.#work, oldestMs, nowMs)
  }

  /** Whether the gathered batch must be closed before the group is added. */
  #isFull(group: Uint8Array, nowMs: number): boolean {
    if (this.#length + group.length > BATCH_BYTES || this.#keys.keys > BATCH_KEYS) return true
    return this.#work > BATCH_WORK || nowMs - (this.#sinceMs ?? nowMs) > this.#admission.longestWaitMs * BATCH_SPAN
  }

  /** Whether the group joins one that is in flight: that costs nothing. */
  #isRepetition(bytes: Uint8Array): boolean {
    if (bytes.length < GROUP_HEADER_BYTES) return false
    const group = this.#group
    group.reopen(bytes, 0)
    return this.#bySession.has(`${group.session()}:${group.first}:${group.count}`)
  }
}

const BUSY = 'too many commands are waiting'

const CLOSED = { outcome: 'refused', code: ErrorCode.notReady, message: 'the members have changed' } as const

function mayChange({ kind, updates }: PreparedGroup): boolean {
  return kind !== GroupKind.commands || updates > 0
}

/** Whether sessions may keep more afterwards. */
function fillsSessions({ kind, session, updates }: PreparedGroup): boolean {
  return kind === GroupKind.open || (kind === GroupKind.commands && session !== '' && updates > 0)
}

/** Reads may run any number of times; only updates of a session are looked up. */
function keyOf({ kind, session, first, count, updates }: PreparedGroup): string | null {
  return kind === GroupKind.commands && updates > 0 && session !== '' ? `${session}:${first}:${count}` : null
}
