import { FootprintBuilder, MAX_FOOTPRINT_KEYS } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode, type Outcome } from '../errors.ts'
import {
  encodeSweep,
  GROUP_KIND_AT,
  GroupKind,
  giveName,
  type NameParts,
  type PreparedGroup,
  prepareGroup,
} from '../execution/groups.ts'
import type { StateMachine } from '../execution/machine.ts'
import { groupEnd } from '../execution/results.ts'
import type { Batch } from '../protocol/messages.ts'

/** How a group of commands ended. `results` are the group's, as results.ts lays them out; valid until the callback returns. */
export type Answer =
  | { readonly outcome: 'done'; readonly results: Uint8Array }
  | { readonly outcome: Outcome; readonly code: ErrorCode; readonly message: string }

export type Respond = (answer: Answer) => void

/** A batch is closed when it holds this much, so that one instance does not hold up the others of its turn. */
const BATCH_BYTES = 1 << 20
const BATCH_KEYS = MAX_FOOTPRINT_KEYS >>> 4

/** Bytes that wait to be proposed; above, commands are refused. */
export const MAX_WAITING_BYTES = 32 << 20

/**
 * One group on its way, with everybody who waits for it: a client that sends a request again joins the first, also when that was answered as unknown
 * meanwhile, for what was proposed is executed all the same.
 */
interface Entry {
  waiters: Respond[]
  /** By which a repetition finds it; null without a session. */
  readonly key: string | null
  deadlineMs: number
}

interface Gathered {
  readonly batch: Batch
  readonly entries: Entry[]
}

/**
 * Gathers the groups of clients into batches, and answers them when their instances have executed. While `window` own instances
 * are unexecuted, what arrives gathers into the next batch (protocol.md §6, bounded tails).
 */
export class Proposals {
  /** While the disk is nearly full, only groups that change nothing are taken. */
  onlyReads = false
  /** While sessions keep more than they may, no update of a session is taken. */
  sessionsAreFull = false
  readonly #machine: StateMachine
  readonly #place: () => Omit<NameParts, 'count'>
  /** Sessions that were opened here. */
  #opened = 0
  readonly #window: number
  readonly #keys = new FootprintBuilder()
  #commands = new Uint8Array(1 << 16)
  #length = 0
  /** What of `#keys` was there before the last group. */
  #mark: readonly [number, number, number] = [0, 0, 0]
  #entries: Entry[] = []
  /** Closed batches, oldest first. */
  #queue: Gathered[] = []
  #queuedBytes = 0
  /** By own slot. */
  readonly #running = new Map<number, Gathered>()
  readonly #bySession = new Map<string, Entry>()

  /** @param place what the names of sessions are made of that are opened here */
  constructor(machine: StateMachine, window: number, place: () => Omit<NameParts, 'count'>) {
    this.#machine = machine
    this.#place = place
    this.#window = window
  }

  /** Own instances proposed and not executed. */
  get running(): number {
    return this.#running.size
  }

  /** Whether {@link next} has a batch to give. */
  get ready(): boolean {
    return this.#running.size < this.#window && (this.#length > 0 || this.#queue.length > 0)
  }

  /**
   * Takes a group, whose bytes it copies. Throws an `EpaxosError` for a group that is refused: certainly not done.
   * Otherwise `respond` is called exactly once, later.
   */
  submit(group: Uint8Array, deadlineMs: number, respond: Respond): void {
    if (this.#queuedBytes + this.#length + group.length > MAX_WAITING_BYTES) {
      throw new EpaxosError(ErrorCode.busy, 'too many commands are waiting')
    }
    if (this.#length > 0 && (this.#length + group.length > BATCH_BYTES || this.#keys.keys > BATCH_KEYS)) this.#close()
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
    if (this.sessionsAreFull && fillsSessions(prepared)) {
      this.#keys.rewind(this.#mark)
      throw new EpaxosError(ErrorCode.busy, 'all sessions together keep too much: again in a moment')
    }
    this.#length += group.length
    const entry: Entry = { waiters: [respond], key, deadlineMs }
    this.#entries.push(entry)
    if (key !== null) this.#bySession.set(key, entry)
  }

  /** Proposes an empty batch that interferes with everything: when it has executed here, everything before it has. */
  submitBarrier(deadlineMs: number, respond: Respond): void {
    this.#close()
    this.#keys.everything()
    const batch = { footprint: this.#keys.take(), commands: new Uint8Array(0) }
    this.#queue.push({ batch, entries: [{ waiters: [respond], key: null, deadlineMs }] })
  }

  /** Proposes a sweep of the sessions, before all that waits. It interferes with everything: every replica has executed the same before it. */
  submitSweep(generation: number, deadlineMs: number, respond: Respond): void {
    const commands = encodeSweep(generation)
    const keys = new FootprintBuilder()
    keys.everything()
    const entries = [{ waiters: [respond], key: null, deadlineMs }]
    this.#queue.unshift({ batch: { footprint: keys.take(), commands }, entries })
    this.#queuedBytes += commands.length
  }

  /** The next batch to propose; call {@link proposed} with its slot. */
  next(): Batch | null {
    if (!this.ready) return null
    if (this.#queue.length === 0) this.#close()
    return (this.#queue[0] as Gathered).batch
  }

  proposed(slot: number): void {
    const gathered = this.#queue.shift() as Gathered
    this.#queuedBytes -= gathered.batch.commands.length
    this.#running.set(slot, gathered)
  }

  /** The instance has executed: `results` are those of its groups, in order. */
  executed(slot: number, results: Uint8Array): void {
    const gathered = this.#running.get(slot)
    if (gathered === undefined) return
    this.#running.delete(slot)
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
    this.#queue.unshift(gathered)
    this.#queuedBytes += gathered.batch.commands.length
  }

  /** Answers what is past its deadline: it may be done, or be done later. */
  expire(nowMs: number): void {
    this.#answerEach((entry) => entry.deadlineMs <= nowMs, ErrorCode.timeout, 'not answered in time')
  }

  /** Answers everything that is open: nothing more will be heard of it here. */
  abandon(code: ErrorCode, message: string): void {
    this.#answerEach(() => true, code, message)
    this.#bySession.clear()
  }

  get waiting(): number {
    let count = 0
    for (const { waiters } of this.#allEntries()) if (waiters.length > 0) count++
    return count
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

  /** In the batch that is gathered, or in the next one where it has no room for the keys of the group. */
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

  /** Copies the group behind the gathered ones and tests it there: its bytes are changed by that. */
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
    if (copy[GROUP_KIND_AT] === GroupKind.open) giveName(copy, { ...this.#place(), count: this.#opened++ % 2 ** 32 })
    return prepareGroup(copy, this.#machine, this.#keys)
  }

  #close(): void {
    if (this.#length === 0) return
    const batch = { footprint: this.#keys.take(), commands: this.#commands.slice(0, this.#length) }
    this.#queue.push({ batch, entries: this.#entries })
    this.#queuedBytes += this.#length
    this.#entries = []
    this.#length = 0
  }
}

function mayChange({ kind, updates }: PreparedGroup): boolean {
  return kind !== GroupKind.commands || updates > 0
}

/** Whether sessions may keep more afterwards. */
function fillsSessions({ kind, session, updates }: PreparedGroup): boolean {
  return kind === GroupKind.open || (kind === GroupKind.commands && session !== '' && updates > 0)
}

/** Reads may run any number of times; only updates of a session are looked for. */
function keyOf({ kind, session, first, count, updates }: PreparedGroup): string | null {
  return kind === GroupKind.commands && updates > 0 && session !== '' ? `${session}:${first}:${count}` : null
}
