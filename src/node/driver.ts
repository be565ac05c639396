import { sealedFrames, unsealed } from '../codec/frame.ts'
import { decodeFrame, encodeMessage } from '../codec/peer.ts'
import { encodeRecords } from '../codec/records.ts'
import { EpaxosError } from '../errors.ts'
import { Budget } from '../execution/budget.ts'
import type { Executor } from '../execution/executor.ts'
import type { Core } from '../protocol/core.ts'
import type { Effects, Envelope } from '../protocol/effects.ts'
import { Command, type Message } from '../protocol/messages.ts'
import { addVote, type Votes } from '../protocol/votes.ts'
import type { Journal } from '../storage/journal.ts'
import type { Transport } from '../transport/transport.ts'
import type { Clock } from './clock.ts'
import type { Proposals } from './proposals.ts'

export interface DriverOptions {
  readonly core: Core
  readonly executor: Executor
  readonly proposals: Proposals
  /** Null for durability "memory": everything counts as durable at once. */
  readonly journal: Journal | null
  readonly transport: Pick<Transport, 'send' | 'buffered'>
  readonly replicas: number
  readonly clock: Clock
  /** A link with this many unsent bytes is behind. */
  readonly behindBytes: number
  /** How much is executed in one turn, in the work of {@link Budget}. */
  readonly workPerTurn: number
  /** A frame of an admitted peer could not be read, as a whole or from some message on. */
  readonly dropped: (what: string) => void
  /** The replica cannot go on: an invariant broke, or the storage failed. */
  readonly failed: (error: Error) => void
  /** Called after each turn, when a server may send the answers that it gathered. */
  readonly turned: () => void
  /** The process was stopped for this long. Called before anything else happens; frames that waited are ignored. */
  readonly stalled: (ms: number) => void
}

/** The core is ticked at least this often. */
const TICK_MS = 10

/** More than this between two turns means that the process was stopped, as by SIGSTOP. */
export const STALL_MS = 1000

/**
 * Execution takes no more of a turn than this, whatever its work: peers that wait for this replica must not suspect it.
 */
const EXECUTION_MS = 20

/** Longer frames are split: each that arrives is a sign of life, on however slow a link. */
const FRAME_BYTES = 1 << 20

/**
 * The place where time, sockets and disks meet the core. In one turn of the event loop, what arrived has gone into the
 * core; the gathered proposals follow; the turn's records become ONE journal value; free messages are sent, one frame
 * per peer; and committed instances are executed, as far as the turn's budget goes. What waits for the journal is sent
 * when it is durable; the work of the next turn continues in the meantime.
 */
export class Driver {
  readonly #options: DriverOptions
  readonly #parts: Uint8Array[][]
  readonly #budget: Budget
  #armed = false
  #turning = false
  #started = false
  #stopped = false
  #suspended = false
  /** When something last happened here, in ms. */
  #awakeMs = 0
  #stopTicking: () => void = () => {}

  constructor(options: DriverOptions) {
    this.#options = options
    this.#parts = Array.from({ length: options.replicas }, () => [])
    this.#budget = new Budget({ work: options.workPerTurn, ms: EXECUTION_MS, now: () => options.clock.now() })
  }

  /** The journal is replayed: from now on the core is ticked. */
  start(): void {
    const { core, journal, clock, failed } = this.#options
    journal?.onDurable(
      (upTo) => {
        this.#noticeStall()
        core.durable(upTo)
        if (!this.#turning) this.#turn()
      },
      (error) => {
        this.stop()
        failed(error)
      },
    )
    this.#awakeMs = clock.now()
    core.start(journal?.last ?? 0, this.#awakeMs)
    this.#started = true
    this.#stopTicking = clock.every(TICK_MS, () => this.#turn())
    this.arm()
  }

  /** Runs one last turn, which leaves nothing unwritten; then nothing more is sent. */
  finish(): void {
    this.#options.core.hasten()
    this.#turn()
    this.stop()
  }

  stop(): void {
    this.#stopped = true
    this.#stopTicking()
  }

  /**
   * While true, it receives, sends and begins nothing, as if the process were stopped; what was on its way to the disk
   * gets there.
   */
  get suspended(): boolean {
    return this.#suspended
  }

  set suspended(value: boolean) {
    this.#suspended = value
    if (!value) this.arm()
  }

  /** Schedules a turn, when the event loop has drained what arrived. */
  arm(): void {
    if (this.#armed || !this.#started || this.#stopped) return
    this.#armed = true
    this.#options.clock.soon(this.#armedTurn)
  }

  readonly #armedTurn = (): void => {
    this.#armed = false
    this.#turn()
  }

  /**
   * A frame of an admitted peer; its bytes are read before this returns. Returns false if the frame is damaged: nothing
   * of it was handled. A frame that arrives whole but is malformed is the peer's own mistake: the rest of it is
   * dropped, and a new link would not help.
   */
  frame(from: number, bytes: Uint8Array): boolean {
    if (this.#stopped || this.#suspended || this.#noticeStall()) return true
    const { core, replicas, dropped } = this.#options
    const messages = unsealed(bytes)
    if (messages === null) {
      dropped(`damaged frame from replica ${from}`)
      return false
    }
    try {
      decodeFrame(messages, replicas, (message) => core.receive(from, message))
    } catch (error) {
      if (isForeign(error)) dropped(`from replica ${from}: ${error.message}`)
      else this.#fail(error as Error)
    }
    this.arm()
    return true
  }

  linkUp(peer: number): void {
    this.#options.core.linkUp(peer)
    this.arm()
  }

  linkDown(peer: number): void {
    this.#options.core.linkDown(peer)
    this.arm()
  }

  /**
   * Before the start: executes a turn's work of what the records replayed so far committed; returns whether that was
   * everything.
   */
  executeReplayed(): boolean {
    this.#budget.renew()
    this.#execute(this.#options.core.take())
    return !this.#options.executor.pending
  }

  #turn(): void {
    if (!this.#started || this.#stopped || this.#turning) return
    this.#noticeStall()
    if (this.#suspended) return
    this.#turning = true
    this.#budget.renew()
    try {
      this.#options.core.linksBehind(this.#behind())
      this.#options.core.tick(this.#options.clock.now())
      this.#propose()
      // Without a disk to wait for, journaling releases effects at once: then there is more to take.
      while (this.#handle(this.#options.core.take())) this.#propose()
      // Clients first: their answers rest on what is done, and nothing for the peers rests on them.
      this.#options.turned()
      this.#flush()
      if (this.#options.executor.pending) this.arm()
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#turning = false
  }

  /**
   * A process that was stopped may run beside a copy of its directory, which the peers believe instead (protocol.md
   * §9). What they said to this one before must not count any more.
   */
  #noticeStall(): boolean {
    const nowMs = this.#options.clock.now()
    const stalledMs = nowMs - this.#awakeMs
    this.#awakeMs = nowMs
    if (!this.#started || stalledMs <= STALL_MS) return false
    this.#options.stalled(stalledMs)
    return true
  }

  #behind(): Votes {
    const { transport, replicas, behindBytes } = this.#options
    let peers = 0
    for (let peer = 0; peer < replicas; peer++) {
      if (transport.buffered(peer) > behindBytes) peers = addVote(peers, peer)
    }
    return peers
  }

  #propose(): void {
    const { core, proposals, clock } = this.#options
    if (!core.founded) return
    const nowMs = clock.now()
    for (let batch = proposals.next(nowMs); batch !== null; batch = proposals.next(nowMs)) {
      proposals.proposed(core.propose(batch).slot, nowMs)
    }
  }

  /** Returns whether anything was done, so that there may be more. */
  #handle(effects: Effects): boolean {
    const { proposals } = this.#options
    const { records, number, messages, commits, rejected } = effects
    if (records.length > 0) this.#journal(records, number)
    this.#encode(messages)
    for (const instance of rejected) proposals.rejected(instance.slot)
    const executed = this.#execute(effects)
    return records.length + messages.length + commits.length + rejected.length + executed > 0
  }

  #journal(records: Effects['records'], number: number): void {
    const { core, journal } = this.#options
    if (journal === null) return core.durable(number)
    const appended = journal.append(encodeRecords(records))
    if (appended !== number) throw new EpaxosError('storage', `journal value ${appended} instead of ${number}`)
  }

  /** Encodes each message once, however many receivers it has. */
  #encode(messages: readonly Envelope[]): void {
    let last: Message | null = null
    let bytes: Uint8Array | null = null
    for (const { to, message } of messages) {
      if (message !== last || bytes === null) bytes = encodeMessage(message)
      last = message
      this.#parts[to]?.push(bytes)
    }
  }

  /** Returns the number of executed instances. What exceeds the turn's budget continues in the next turn. */
  #execute({ commits }: Effects): number {
    const { executor } = this.#options
    for (const { row, slot, command, deps } of commits) {
      executor.commit(row, slot, command === Command.noop ? null : deps)
    }
    let instances = 0
    while (executor.pending && !this.#budget.spent) instances += executor.run(this.#budget)
    return instances
  }

  #flush(): void {
    const { transport } = this.#options
    for (let peer = 0; peer < this.#parts.length; peer++) {
      const parts = this.#parts[peer] as Uint8Array[]
      if (parts.length === 0) continue
      for (const frame of sealedFrames(parts, FRAME_BYTES)) transport.send(peer, frame)
      this.#parts[peer] = []
    }
  }

  #fail(error: Error): void {
    if (this.#stopped) return
    this.stop()
    this.#options.failed(error)
  }
}

/** Whether the bytes are at fault, and not this replica. */
function isForeign(error: unknown): error is EpaxosError {
  return error instanceof EpaxosError && (error.code === 'malformed' || error.code === 'too_large')
}
