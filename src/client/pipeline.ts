import { MAX_GROUP_BYTES } from '../codec/limits.ts'
import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { encodeExpire, encodeOpen } from '../execution/groups.ts'
import { Status } from '../execution/results.ts'
import { readerOf, tell } from './answers.ts'
import { Congestion } from './congestion.ts'
import type { Connection, GroupAnswer } from './connection.ts'
import { type Entry, Group, type How, inGroups, LOG } from './group.ts'
import { Links, type LinksOptions } from './links.ts'
import { RequestNumbers } from './request-numbers.ts'
import { Tokens } from './tokens.ts'
import { afterTurn } from './turn.ts'

/** Header, session and the command's length, generously. */
const GROUP_HEADROOM_BYTES = 256

/**
 * In flight at one replica: half of what it accepts from one client (client-links.ts), so that it never refuses a
 * command for that reason.
 */
const MAX_IN_FLIGHT_BYTES = 8 << 20

/** The cost of a group there beside its bytes. */
const GROUP_OVERHEAD_BYTES = 256

/** Waiting here; beyond this, commands are refused. */
const MAX_WAITING_BYTES = 64 << 20

/** Half of how far a replica lets request numbers be beyond the acknowledged one (session.ts). */
const MAX_WINDOW = 1 << 19

const NO_COMMAND = new Uint8Array(0)

const TICK_MS = 50
const EXPIRE_TIMEOUT_MS = 500

/** A replica that answers this certainly did nothing, and another replica may do it. */
const ELSEWHERE: readonly ErrorCode[] = [ErrorCode.notReady, ErrorCode.diskFull, ErrorCode.closed]

export interface PipelineOptions extends LinksOptions {
  /**
   * True for sessions that the pipeline opens and ends itself, when it needs one; or the name of a session. Null for
   * none: an update that may have been done is then not sent again.
   */
  readonly session: string | true | null
  /** The number of its first request. */
  readonly firstRequest: number
  readonly requestTimeoutMs: number
}

interface Session {
  readonly name: string | Uint8Array
  readonly numbers: RequestNumbers
}

interface Reason {
  readonly code: ErrorCode
  readonly message: string
}

/**
 * From single commands to groups on a link, and back. The commands of one turn become one group; what a replica did not
 * answer goes to the next one under the same request numbers.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #links: Links
  #session: Session | null
  #gathered: Entry[] = []
  /** Reads that need no log, by how they are answered. */
  readonly #gatheredReads = new Map<string, { readonly how: How; readonly entries: Entry[] }>()
  #gatheredBytes = 0
  /** Groups to send, oldest first. */
  #waiting: Group[] = []
  #waitingBytes = 0
  readonly #congestion = new Congestion(MAX_IN_FLIGHT_BYTES)
  #pausing = false
  /** All groups that are not settled. */
  readonly #open = new Set<Group>()
  #ticker: ReturnType<typeof setInterval> | null = null
  #flushing = false
  readonly #tokens = new Tokens()
  #answered: { readonly token: string; readonly ageMs: number | null } = { token: '', ageMs: null }
  /** Commands that wait until a session of the pipeline's own is open. */
  #held: Entry[] = []
  #opening = false
  #closing: Promise<void> | null = null
  #drained: () => void = () => {}

  /** Throws an `EpaxosError` with code `configuration`. */
  constructor(urls: readonly string[], options: PipelineOptions) {
    this.#options = options
    const { session, firstRequest } = options
    const isNamed = typeof session === 'string'
    this.#session = isNamed ? { name: session, numbers: new RequestNumbers(firstRequest) } : null
    this.#links = new Links(urls, options, {
      wanted: () => this.#open.size > 0,
      up: () => this.#pump(),
      notReady: (connection) => this.#onNotReady(connection),
      foreign: () => this.#onForeign(),
    })
  }

  /** See {@link Links.clusterId}. */
  get clusterId(): string {
    return this.#links.clusterId
  }

  /** Opens the first link; see {@link Links.open}. */
  open(): Promise<void> {
    return this.#links.open()
  }

  /**
   * Sends one command, together with all others of this turn. `parse` reads its result, a view that is valid until it
   * returns; the call rejects with what it throws.
   * @param reads the command changes nothing
   * @param how it is answered; anything but the log is for reads
   */
  execute<Result>(
    command: Uint8Array,
    reads: boolean,
    how: How,
    parse: (result: Uint8Array) => Result,
  ): Promise<Result> {
    const refusal = this.#refusalOf(command)
    if (refusal !== null) return Promise.reject(refusal)
    const deadlineMs = performance.now() + this.#options.requestTimeoutMs
    return new Promise<Result>((resolve, reject) => {
      const done = (result: Uint8Array) => {
        try {
          resolve(parse(result))
        } catch (error) {
          reject(error as Error)
        }
      }
      this.#gatheredFor(how).push({ command, reads, deadlineMs, done, fail: reject })
      this.#gatheredBytes += command.length
      if (this.#flushing) return
      this.#flushing = true
      afterTurn(() => this.#flush())
    })
  }

  /** Names all that the answers so far have done and shown; empty before the first. */
  get token(): string {
    return this.#tokens.token
  }

  /** Of the answer that is being read now. */
  get answered(): { readonly token: string; readonly ageMs: number | null } {
    return this.#answered
  }

  #gatheredFor(how: How): Entry[] {
    if (how.consistency === 'log') return this.#gathered
    const key = `${how.consistency} ${how.min}`
    const known = this.#gatheredReads.get(key)
    if (known !== undefined) return known.entries
    const entries: Entry[] = []
    this.#gatheredReads.set(key, { how, entries })
    return entries
  }

  /** Waits for everything in flight, ends the session, and closes the link. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#open.size > 0 || this.#flushing) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    await this.#expire()
    this.#links.close()
  }

  #refusalOf(command: Uint8Array): CommandError | null {
    const refused = (code: ErrorCode, message: string) => new CommandError(code, 'refused', message)
    if (this.#closing !== null) return refused(ErrorCode.closed, 'the client is closed')
    const most = MAX_GROUP_BYTES - GROUP_HEADROOM_BYTES
    if (command.length > most) return refused(ErrorCode.tooLarge, `a command has at most ${most} bytes`)
    const full = this.#waitingBytes + this.#gatheredBytes + command.length > MAX_WAITING_BYTES
    const window = this.#session?.numbers.window ?? 0
    if (full || window + this.#held.length + this.#gathered.length >= MAX_WINDOW) {
      return refused(ErrorCode.busy, 'too many commands are waiting')
    }
    return null
  }

  #flush(): void {
    this.#flushing = false
    const gathered = this.#gathered
    const reads = [...this.#gatheredReads.values()]
    this.#gathered = []
    this.#gatheredReads.clear()
    this.#gatheredBytes = 0
    this.#number(gathered)
    for (const { how, entries } of reads) {
      for (const some of inGroups(entries)) this.#wait(new Group(some, how, null))
    }
    this.#pump()
  }

  /** Gives commands their numbers as soon as there is a session; reads need none. */
  #number(entries: readonly Entry[], again = false): void {
    const isOpen = this.#session !== null || this.#options.session !== true
    if (isOpen || (this.#held.length === 0 && entries.every(({ reads }) => reads))) {
      for (const some of inGroups(entries)) this.#wait(this.#numberedGroup(some), again)
    } else {
      this.#held.push(...entries)
      this.#openSession()
    }
  }

  /** An opening may be sent any number of times: an unused session ends by itself. */
  #openSession(): void {
    if (this.#opening) return
    this.#opening = true
    const { deadlineMs } = this.#held[0] as Entry
    const opening: Entry = {
      ...{ command: NO_COMMAND, reads: true, deadlineMs },
      done: (name) => {
        this.#session = { name: name.slice(), numbers: new RequestNumbers(1) }
        this.#release(this.#held, () => false)
      },
      fail: (error) => {
        const nowMs = performance.now()
        this.#release(this.#held, (entry) => error.code !== ErrorCode.timeout || entry.deadlineMs <= nowMs, error)
      },
    }
    this.#wait(new Group([opening], LOG, null, encodeOpen()))
  }

  /** The opening of a session has ended: commands that waited for it continue, or fail with its error. */
  #release(held: readonly Entry[], fails: (entry: Entry) => boolean, error?: CommandError): void {
    this.#opening = false
    this.#held = []
    for (const entry of held) if (error !== undefined && fails(entry)) entry.fail(error)
    this.#number(held.filter((entry) => !fails(entry)))
  }

  #numberedGroup(entries: readonly Entry[]): Group {
    if (this.#session === null) return new Group(entries, LOG, null)
    const { name: session, numbers } = this.#session
    const { acknowledged } = numbers
    const span = numbers.take(entries.length)
    return new Group(entries, LOG, { session, numbers, first: span.first, acknowledged, span })
  }

  /** Queues the group; `again` puts it before those that were never sent. */
  #wait(group: Group, again = false): void {
    group.connection = null
    if (again) this.#waiting.unshift(group)
    else this.#waiting.push(group)
    this.#waitingBytes += group.bytes.length
    this.#open.add(group)
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS)
  }

  #pump(): void {
    const connection = this.#links.current
    if (connection === null) {
      if (this.#waiting.length > 0) this.#links.want()
      return
    }
    while (this.#waiting.length > 0 && !connection.closed) {
      if (this.#pauses() || costAt(connection) > this.#congestion.limitBytes) return
      const group = this.#waiting.shift() as Group
      this.#waitingBytes -= group.bytes.length
      if (group.settled) continue
      group.connection = connection
      group.sentMs = performance.now()
      this.#congestion.sent(group.sentMs)
      const asked = { ...group.how, tokens: true }
      connection.send(group.bytes, (answer) => this.#onAnswer(group, connection, answer), asked)
    }
  }

  /** Whether nothing may be sent for a while; then this sees to it that it goes on afterwards. */
  #pauses(): boolean {
    const pauseMs = this.#congestion.pauseMs(performance.now())
    if (pauseMs <= 0) return false
    if (this.#pausing) return true
    this.#pausing = true
    setTimeout(() => {
      this.#pausing = false
      this.#pump()
    }, pauseMs)
    return true
  }

  #onAnswer(group: Group, connection: Connection, answer: GroupAnswer): void {
    group.connection = null
    if (!group.settled) {
      if (answer.outcome === 'done') {
        this.#tokens.heard(connection, answer.token)
        this.#answered = answer
        this.#onDone(group, answer.results)
      } else if (answer.outcome === 'refused') this.#onRefused(group, connection, answer)
      else this.#onUnknown(group, connection, answer)
    }
    this.#goOn()
  }

  #onDone(group: Group, results: Uint8Array): void {
    this.#links.praise()
    this.#congestion.done(group.bytes.length)
    const mightHaveBeen = group.mayBeDone
    group.mayBeDone = true
    const reader = readerOf(results, group.entries.length)
    if (reader instanceof EpaxosError) return this.#fail(group, reader)
    this.#settle(group)
    const undone: Entry[] = []
    for (const [i, entry] of group.entries.entries()) {
      reader.next()
      if (this.#asksAlone(group, entry, reader.status)) {
        this.#wait(group.part(i, i + 1), true)
      } else {
        this.#giveBack(group)
        if (reader.status === Status.expired && this.#renews(group) && !mightHaveBeen) undone.push(entry)
        else tell(entry, reader, mightHaveBeen)
      }
    }
    this.#number(undone, true)
  }

  /**
   * The replicas closed a session of the pipeline's own, because all sessions together kept too much: later commands
   * get another session.
   */
  #renews({ numbering }: Group): boolean {
    if (this.#options.session !== true) return false
    if (numbering?.numbers === this.#session?.numbers) this.#session = null
    return true
  }

  /**
   * A result did not fit beside the others of its group, or of other groups: a command that may be done twice, or has a
   * session, is sent again alone.
   */
  #asksAlone(group: Group, entry: Entry, status: Status): boolean {
    const mayFit = status === Status.crowded || (status === Status.omitted && group.entries.length > 1)
    return mayFit && (entry.reads || group.numbering !== null)
  }

  #onRefused(group: Group, connection: Connection, refusal: Reason): void {
    group.refusal = refusal
    const { length } = group.entries
    if (refusal.code === ErrorCode.busy) {
      this.#wait(group, true)
      const cost = costAt(connection) + group.bytes.length
      if (this.#congestion.refused(cost, group.sentMs, performance.now())) this.#links.avoid(connection)
    } else if (ELSEWHERE.includes(refusal.code)) {
      this.#wait(group, true)
      this.#links.avoid(connection)
    } else if (length === 1) {
      this.#fail(group, refusal)
    } else {
      // One of its commands is at fault: halves find it, and the others are done.
      this.#settle(group)
      this.#wait(group.part(length >>> 1, length), true)
      this.#wait(group.part(0, length >>> 1), true)
    }
  }

  /** The link broke, or the replica was too slow: another replica is asked. */
  #onUnknown(group: Group, connection: Connection, { code, message }: Reason): void {
    group.mayBeDone = true
    this.#links.avoid(connection)
    if (group.numbering !== null || group.entries.every(({ reads }) => reads)) return this.#wait(group, true)
    this.#settle(group)
    const reads = group.entries.filter((entry) => entry.reads)
    if (reads.length > 0) this.#wait(new Group(reads, LOG, null), true)
    for (const entry of group.entries) if (!entry.reads) entry.fail(new CommandError(code, 'unknown', message))
  }

  /** With a session, what is in flight is sent elsewhere at once; without one, it may still be answered. */
  #onNotReady(connection: Connection): void {
    if (this.#options.session === null) this.#links.avoid(connection)
    else connection.close()
  }

  /** Waiting would not help: the replicas that answer do not belong to the cluster of this client. */
  #onForeign(): void {
    const message = 'every URL that was given leads to another cluster than before'
    for (const group of this.#open) {
      if (group.connection === null) this.#fail(group, { code: ErrorCode.foreignCluster, message })
    }
    this.#goOn()
  }

  #tick(): void {
    const nowMs = performance.now()
    for (const group of this.#open) if (group.deadlineMs <= nowMs) this.#fail(group, this.#lateness(group))
    this.#goOn()
  }

  #goOn(): void {
    this.#pump()
    if (this.#open.size === 0 && !this.#flushing) this.#drained()
  }

  #lateness(group: Group): Reason {
    const { requestTimeoutMs } = this.#options
    const { refusal, connection, mayBeDone } = group
    if (connection !== null || mayBeDone) {
      return { code: ErrorCode.timeout, message: `not answered in ${requestTimeoutMs} ms` }
    }
    if (refusal !== null) return refusal
    if (this.#congestion.busy)
      return { code: ErrorCode.busy, message: `not sent in ${requestTimeoutMs} ms: replicas are busy` }
    const why = this.#links.lastError?.message ?? 'too many commands were before it'
    return { code: ErrorCode.timeout, message: `not sent in ${requestTimeoutMs} ms: ${why}` }
  }

  /** Gives up the commands of a group. */
  #fail(group: Group, { code, message }: Reason): void {
    const mayBeDone = group.mayBeDone || group.connection !== null
    this.#settle(group)
    for (const entry of group.entries) {
      this.#giveBack(group)
      entry.fail(new CommandError(code, mayBeDone && !entry.reads ? 'unknown' : 'refused', message))
    }
  }

  /** One command of the group is settled for ever: its number, if it has one, needs no result any more. */
  #giveBack({ numbering }: Group): void {
    numbering?.numbers.settle(numbering.span)
  }

  /** The group is done; the caller reports to its commands. */
  #settle(group: Group): void {
    group.settled = true
    this.#open.delete(group)
    if (this.#open.size > 0) return
    if (this.#ticker !== null) clearInterval(this.#ticker)
    this.#ticker = null
  }

  /** Best effort: little remains of a session that was not ended. */
  #expire(): Promise<void> {
    const connection = this.#links.current
    if (this.#session === null || this.#options.session !== true || connection === null) return Promise.resolve()
    const expiry = encodeExpire(this.#session.name)
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, EXPIRE_TIMEOUT_MS)
      connection.send(expiry, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** What is under way at a replica, in bytes. */
function costAt({ outstandingBytes, outstanding }: Connection): number {
  return outstandingBytes + outstanding * GROUP_OVERHEAD_BYTES
}
