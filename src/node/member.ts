import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { Budget } from '../execution/budget.ts'
import type { Executor } from '../execution/executor.ts'
import type { SessionTable } from '../execution/sessions.ts'
import type { Core } from '../protocol/core.ts'
import type { Effects } from '../protocol/effects.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import { type AnyMessage, Command, isCheckpointMessage } from '../protocol/messages.ts'
import type { MemberRecord } from '../protocol/records.ts'
import { takeBackup } from './backup.ts'
import { Composition } from './composition.ts'
import type { Dropped } from './dropped.ts'
import { type Carried, EpochEnd } from './epoch-end.ts'
import type { Handshakes } from './handshakes.ts'
import { type Held, heldBytes } from './held-limit.ts'
import { type MemberOptions, WORK_PER_TURN } from './member-options.ts'
import { type MemberNumbers, numbersOf } from './numbers.ts'
import type { Part } from './part.ts'
import type { OwnedRead, ReadCounts } from './reads.ts'
import { replayJournal } from './replay.ts'
import type { Backup, Consistency, Respond } from './requests.ts'
import { decodeToken, encodeToken, type Place } from './token.ts'

/** The core is ticked at least this often. */
const TICK_MS = 10

/** More than this between two turns means that the process was stopped, as by SIGSTOP. */
export const STALL_MS = 1000

/**
 * Execution takes no more of a turn than this, whatever its work: peers that wait for this replica must not suspect it.
 */
const EXECUTION_MS = 20

const CHANGING = 'the members are changing'

/** The interval of {@link Part.poll}. */
const POLL_MS = 25

/** The interval between checks of what is in flight, while it closes. */
const CLOSE_POLL_MS = 5

/**
 * A member of a cluster: the only place where time, sockets and disks meet the core. It composes the parts and calls
 * them in order; network, disk and time are passed in, real ones by `Replica`, simulated ones by the simulator.
 *
 * One turn of the event loop: what arrived has gone into the core; the gathered proposals follow; the turn's records
 * become ONE journal value; free messages are sent, one frame per peer; and committed instances are executed, as far as
 * the turn's budget goes. What waits for the journal is sent when it is durable; the work of the next turn continues in
 * the meantime.
 */
export class Member {
  readonly #options: MemberOptions
  readonly #composition: Composition
  readonly #epochEnd: EpochEnd
  /** In the order in which they are called. */
  readonly #parts: readonly Part[]
  readonly #budget: Budget
  /** Of reads without the log, which must not starve behind the execution, nor the execution behind them. */
  readonly #readBudget: Budget
  /** Servers that send answers after each turn. */
  readonly #servers = new Set<() => void>()
  #phase: 'replaying' | 'running' | 'ended' = 'replaying'
  #closing: Promise<void> | null = null
  #failure: Error | null = null
  #armed = false
  #turning = false
  /** Nothing is received, sent or begun, as if the process were stopped: the disk is full. */
  #suspended = false
  /** The same, because the epoch ends. */
  #frozen = false
  /** When something last happened here, in ms. */
  #awakeMs = 0
  #replayMs = 0
  #stopTimers: (() => void)[] = []

  constructor(options: MemberOptions) {
    const { clock, workPerTurn = WORK_PER_TURN } = options
    this.#options = options
    const limits = { work: workPerTurn, ms: EXECUTION_MS, now: () => clock.now() }
    this.#budget = new Budget(limits)
    this.#readBudget = new Budget(limits)
    const member = this
    this.#composition = new Composition(options, {
      arm: () => this.#arm(),
      fail: (error) => this.#fail(error),
      suspend: (suspended) => this.#suspend(suspended),
      get suspended() {
        return member.#suspended
      },
      get notReady() {
        return member.notReady
      },
      get notReadable() {
        return member.notReadable
      },
      reconfigure: (membership) => this.#epochEnd.executed(membership),
      freeze: (frozen) => this.#freeze(frozen),
    })
    this.#epochEnd = new EpochEnd({
      ...{ member: options, composition: this.#composition, fail: (error) => this.#fail(error) },
      isRunning: () => this.#phase === 'running',
      isFrozen: () => this.#frozen,
      freeze: (frozen) => this.#freeze(frozen),
    })
    const { proposals, reads, freshness, readiness, handshakes, sweeper, checkpointer, catchUp } = this.#composition
    const parts = [proposals, reads, freshness, readiness, handshakes, sweeper]
    // Last: the point of a checkpoint is after everything else of a turn.
    this.#parts = checkpointer === null || catchUp === null ? parts : [...parts, checkpointer, catchUp]
  }

  get core(): Core {
    return this.#composition.core
  }

  get executor(): Executor {
    return this.#composition.executor
  }

  /** Of the state that the machine has. */
  get sessions(): SessionTable {
    return this.executor.sessions
  }

  get readCounts(): Readonly<ReadCounts> {
    return this.#composition.reads.counts
  }

  /** Null if the member answers clients; otherwise why it does not. */
  get notReady(): string | null {
    if (this.#notRunning !== null) return this.#notRunning
    if (this.#suspended) return 'the disk is full'
    if (!this.#options.epochs.isOpen) return CHANGING
    const { handshakes, readiness, catchUp } = this.#composition
    const reason = handshakes.notFounded ?? catchUp?.reason ?? readiness.reason
    const { refusals } = handshakes
    return reason === null || refusals === '' ? reason : `${reason}; ${refusals}`
  }

  /**
   * Null if its state may be read; otherwise why not. The state in the middle of a replay is not shown: it may be
   * older, by any amount, than what was read here before the restart.
   */
  get notReadable(): string | null {
    return this.#notRunning ?? (this.clusterId === null ? 'the cluster is not founded yet' : null)
  }

  get #notRunning(): string | null {
    if (this.#failure !== null) return 'the replica has failed'
    if (this.#closing !== null) return 'the replica is being closed'
    if (this.#phase === 'ended') return CHANGING
    return this.#phase === 'replaying' ? 'the journal is being replayed' : null
  }

  /** The same at all members once they are founded, and different at every other cluster; null before. */
  get clusterId(): string | null {
    return this.#composition.handshakes.clusterId
  }

  /** Messages and links that were dropped before they reached the core. */
  get dropped(): number {
    return this.#composition.dropped.count
  }

  get numbers(): MemberNumbers {
    const own = { ready: Number(this.notReady === null), replayMs: this.#replayMs }
    return numbersOf(this.#composition, this.#options, own)
  }

  /** Restores the state. From then on it may be linked with its peers. */
  async start(): Promise<void> {
    try {
      const { space, incarnations } = this.#composition
      if (space !== null) await space.start()
      await this.#replay()
      this.#run()
      await incarnations.start()
    } catch (error) {
      this.#halt()
      throw error
    }
  }

  /** See `Requests.submit`. */
  submit(group: Uint8Array, respond: Respond): void {
    this.#take(respond, (nowMs) => this.#composition.proposals.submit(group, nowMs, respond))
  }

  /** See `Requests.read`. */
  read(group: Uint8Array, consistency: Consistency, respond: Respond, min = ''): void {
    const { staleReads, reads, proposals } = this.#composition
    if (consistency === 'stale') return respond(staleReads.answer(group))
    if (consistency === 'log') return this.submit(group, respond)
    if (consistency === 'min') return this.#readUpTo(group, min, respond)
    this.#take(respond, (nowMs) => {
      // Several keys at once, or of a machine that names no key: only the log orders that.
      if (!reads.submit(group, nowMs, null, respond)) proposals.submit(group, nowMs, respond)
    })
  }

  /** Needs no quorum: what is missing here comes by itself, or the read ends at its deadline. */
  #readUpTo(group: Uint8Array, min: string, respond: Respond): void {
    const submit = (nowMs: number): void => {
      const upTo = decodeToken(min, this.#place, this.core.quorums.replicas)
      if (this.#composition.reads.submit(group, nowMs, upTo, respond)) return
      throw new EpaxosError(ErrorCode.badCommand, 'a min read is of commands that each read one key')
    }
    this.#take(respond, submit, this.notReadable ?? (this.#suspended ? 'the disk is full' : null))
  }

  get #place(): Place {
    return { clusterId: this.clusterId ?? '', epoch: this.#options.identity.members.epoch }
  }

  /** See `Requests.token`. */
  get token(): string {
    if (this.clusterId === null) return ''
    const frontier = [...this.core.frontier]
    // Some of its commands have been applied: reads may have seen them.
    const { unfinished } = this.executor
    if (unfinished !== null) {
      const { row, slot } = unfinished
      frontier[row] = Math.max(frontier[row] as number, slot)
    }
    return encodeToken(this.#place, frontier)
  }

  /** See `Requests.ageMs`. */
  get ageMs(): number | null {
    return this.#composition.freshness.ageMs(this.#options.clock.now())
  }

  /** Gives a request of a client to a part, unless it is not ready for it; answers it if it is refused. */
  #take(respond: Respond, submit: (nowMs: number) => void, notReady = this.notReady): void {
    if (notReady !== null) return respond({ outcome: 'refused', code: ErrorCode.notReady, message: notReady })
    try {
      submit(this.#options.clock.now())
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      return respond({ outcome: 'refused', code: error.code, message: error.message })
    }
    this.#arm()
  }

  /** Reads from the state of this replica alone. See {@link StaleReads.read}. */
  readStale(command: Uint8Array): Uint8Array {
    return this.#composition.staleReads.read(command)
  }

  /** See `Requests.backup`. `takenAt`: now, in ISO 8601. */
  async backup(takenAt: string): Promise<Backup> {
    const { proposals, checkpointer } = this.#composition
    if (this.notReady !== null) throw new EpaxosError(ErrorCode.notReady, this.notReady)
    if (checkpointer === null) throw new EpaxosError(ErrorCode.configuration, 'without a disk there are no backups')
    const { cluster, members } = this.#options.identity
    const { replicas } = members.quorums
    return await takeBackup({
      about: { formatVersion: FORMAT_VERSION, cluster, clusterId: this.clusterId, replicas, takenAt },
      barrier: (respond) => {
        proposals.submitBarrier(this.#options.clock.now(), respond)
        this.#arm()
      },
      checkpoint: () => checkpointer.take(),
    })
  }

  /** See `Requests.onTurn`. */
  onTurn(listener: () => void): () => void {
    this.#servers.add(listener)
    return () => this.#servers.delete(listener)
  }

  /**
   * Stops accepting commands, waits for those in flight within the request timeout, makes everything durable and
   * closes.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { clock, requestTimeoutMs } = this.#options
    const end = clock.now() + requestTimeoutMs
    const { proposals, reads } = this.#composition
    while (proposals.waiting + reads.waiting > 0 && clock.now() < end && this.#failure === null) {
      await new Promise<void>((resolve) => clock.after(CLOSE_POLL_MS, resolve))
    }
    // One last turn leaves nothing unwritten.
    this.core.hasten()
    this.#turn()
    this.#halt()
  }

  #halt(): void {
    this.#phase = 'ended'
    const { space, checkpointer, catchUp, closing } = this.#composition
    space?.stop()
    for (const stop of this.#stopTimers.splice(0)) stop()
    for (const part of this.#parts) part.abandon?.(ErrorCode.closed, 'the replica was closed before the answer')
    this.#composition.journal.close()
    this.#turned()
    closing?.end()
    catchUp?.stop()
    checkpointer?.stop()
  }

  /**
   * The epoch has ended, by itself (`MemberOptions.ended`) or because it gave way: returns what clients wait for and
   * has certainly not executed, and ends without closing anything that the next epoch goes on with.
   */
  handOver(): Carried {
    const carried = this.#epochEnd.handOver()
    this.#halt()
    return carried
  }

  /** Takes over what clients of the epoch before wait for. */
  takeOver(carried: Carried): void {
    this.#epochEnd.takeOver(carried)
    this.#arm()
  }

  /** See {@link EpochEnd.propose}. */
  reconfigure(next: Membership): Promise<void> {
    const changed = this.#epochEnd.propose(next)
    this.#arm()
    return changed
  }

  /** See {@link EpochEnd.makeWay}. */
  makeWay(): boolean {
    return this.#epochEnd.makeWay()
  }

  /** See {@link EpochEnd.giveWay}. */
  giveWay(members: Membership): Promise<MemberRecord[]> {
    return this.#epochEnd.giveWay(members)
  }

  #freeze(frozen: boolean): void {
    if (frozen) {
      this.core.hasten()
      this.#turn()
    }
    this.#frozen = frozen
    if (!frozen) this.#arm()
  }

  /** Fail-stop: everything open is answered as unknown, and nothing more is sent. The one way of every failure. */
  #fail(error: Error): void {
    if (this.#failure !== null) return
    this.#phase = 'ended'
    this.#failure = error
    this.#options.logger.error(
      { code: (error as EpaxosError).code ?? 'internal', error: error.message, stack: error.stack },
      'the replica stops',
    )
    this.#closing ??= Promise.resolve(this.#halt())
    this.#options.failed(error)
  }

  async #replay(): Promise<void> {
    const { identity, journal, clock, logger } = this.#options
    const before = clock.now()
    const { core, incarnations, checkpointer } = this.#composition
    if (journal !== null) {
      const after = (await checkpointer?.restore()) ?? 0
      const parts = { core, incarnations, clock, execute: () => this.#executeReplayed() }
      const bytes = await replayJournal(journal, after, identity.members, parts)
      checkpointer?.replayed(bytes)
    }
    this.#replayMs = Math.round(clock.now() - before)
    logger.info({ replayMs: this.#replayMs, journalBytes: journal?.bytes ?? 0 }, 'journal replayed')
    incarnations.restored()
  }

  /** A turn's work of what the records replayed so far committed; returns whether that was everything. */
  #executeReplayed(): boolean {
    this.#budget.renew()
    this.#execute(this.core.take())
    return !this.executor.pending
  }

  /** From now on there are turns. */
  #run(): void {
    const { journal, clock } = this.#options
    journal?.onDurable(
      (upTo) => {
        this.#noticeStall()
        this.core.durable(upTo)
        if (!this.#turning) this.#turn()
      },
      (error) => this.#fail(error),
    )
    this.#awakeMs = clock.now()
    this.core.start(journal?.last ?? 0, this.#awakeMs)
    this.#phase = 'running'
    this.#composition.readiness.begin()
    this.#stopTimers = [clock.every(TICK_MS, () => this.#turn()), clock.every(POLL_MS, () => this.#poll())]
    this.#arm()
  }

  /** Who is let in, and what peers say of this replica. */
  get handshakes(): Handshakes {
    return this.#composition.handshakes
  }

  /** The directory of a member, as it is durably known here; null if it is not. */
  incarnationOf(id: number): Uint8Array | null {
    return this.#composition.incarnations.incarnationOf(id)
  }

  /** What is kept because some member has not executed it. */
  get held(): Held {
    const { engine, identity } = this.#options
    const holder = this.core.holder
    const by = holder === null ? null : (identity.members.members[holder.peer]?.id ?? null)
    return { bytes: heldBytes(this.core, engine), by }
  }

  /** Whether the disk has space for so many bytes, besides what must stay free. */
  hasSpace(bytes: number): boolean {
    return this.#composition.space?.has(bytes) ?? true
  }

  /** Something that arrived was dropped. */
  get drops(): Dropped {
    return this.#composition.dropped
  }

  /** A peer of this epoch may be sent to. */
  linkUp(peer: number): void {
    this.core.linkUp(rowOf(this.#options.identity.members, peer))
    this.#arm()
  }

  linkDown(peer: number): void {
    this.core.linkDown(rowOf(this.#options.identity.members, peer))
    this.#arm()
  }

  /** A frame of a peer of this epoch; see `TransportHandlers.frame`. */
  receive(from: number, bytes: Uint8Array): boolean {
    const { frames, incarnations } = this.#composition
    incarnations.spoke(from)
    if (this.#phase !== 'running' || this.#suspended || this.#frozen || this.#noticeStall()) return true
    try {
      if (!frames.receive(from, bytes, (row, message) => this.#handleMessage(row, message))) return false
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#arm()
    return true
  }

  #handleMessage(row: number, message: AnyMessage): void {
    const { core, dropped, catchUp } = this.#composition
    if (!isCheckpointMessage(message)) core.receive(row, message)
    else if (catchUp === null) dropped.add('malformed', 'a part of a checkpoint, and none are kept here')
    else catchUp.receive(row, message)
  }

  /** Schedules a turn, when the event loop has drained what arrived. */
  #arm(): void {
    if (this.#armed || this.#phase !== 'running') return
    this.#armed = true
    this.#options.clock.soon(this.#armedTurn)
  }

  readonly #armedTurn = (): void => {
    this.#armed = false
    this.#turn()
  }

  #turn(): void {
    if (this.#phase !== 'running' || this.#turning) return
    this.#noticeStall()
    if (this.#suspended || this.#frozen) return
    const { clock } = this.#options
    const { core, executor, frames, reads } = this.#composition
    this.#turning = true
    this.#budget.renew()
    this.#readBudget.renew()
    try {
      core.linksBehind(frames.behind)
      core.tick(clock.now())
      // Without a disk to wait for, journaling releases effects at once: then there is more to take.
      do if (!executor.closed) for (const part of this.#parts) part.turn?.(clock.now())
      while (this.#handle(core.take()))
      // Clients first: their answers rest on what is done, and nothing for the peers rests on them.
      this.#turned()
      frames.send()
      for (const part of this.#parts) part.background?.()
      if (executor.pending || reads.pending) this.#arm()
      this.#epochEnd.beginIfDue()
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#turning = false
  }

  #suspend(suspended: boolean): void {
    this.#suspended = suspended
    if (!suspended) this.#arm()
  }

  /** Returns whether anything was done, so that there may be more. */
  #handle(effects: Effects): boolean {
    const { journal, frames, proposals, reads } = this.#composition
    const { records, messages, commits, rejected } = effects
    journal.append(effects)
    frames.add(messages)
    for (const instance of rejected) proposals.rejected(instance.slot)
    const executed = this.#execute(effects)
    for (const read of effects.reads) (read as OwnedRead).finished()
    // Those that waited for the change must be asked in the next epoch (protocol.md §11).
    if (!this.executor.closed) reads.run(this.#readBudget)
    return records.length + messages.length + commits.length + rejected.length + effects.reads.length + executed > 0
  }

  /** Returns the number of executed instances. What exceeds the turn's budget continues in the next turn. */
  #execute({ commits }: Effects): number {
    const { executor } = this.#composition
    for (const { row, slot, command, deps } of commits) {
      executor.commit(row, slot, command === Command.noop ? null : deps)
    }
    let instances = 0
    while (executor.pending && !this.#budget.spent) instances += executor.run(this.#budget)
    return instances
  }

  #turned(): void {
    const nowMs = this.#options.clock.now()
    const { core, dropped } = this.#composition
    dropped.outOfRange(core.counts.dropped)
    for (const part of this.#parts) part.turned?.(nowMs)
    for (const server of this.#servers) server()
  }

  #poll(): void {
    const nowMs = this.#options.clock.now()
    for (const part of this.#parts) part.poll?.(nowMs)
    this.#turned()
  }

  /**
   * A process that was stopped may run beside a copy of its directory, which the peers believe instead (protocol.md
   * §9). What they said to this one before must not count any more: peers show anew whether they believe this start,
   * and nothing that was decided before the stop is answered. Returns whether the process was stopped; frames that
   * waited are ignored then.
   */
  #noticeStall(): boolean {
    const { identity, transport, clock, logger } = this.#options
    const nowMs = clock.now()
    const stalledMs = nowMs - this.#awakeMs
    this.#awakeMs = nowMs
    if (this.#phase === 'replaying' || stalledMs <= STALL_MS) return false
    logger.warn({ stalledMs: Math.round(stalledMs) }, 'the process was stopped: it links anew')
    for (const part of this.#parts) part.abandon?.(ErrorCode.timeout, 'the replica was stopped meanwhile')
    for (const { id } of identity.members.members) if (id !== identity.id) transport.drop(id)
    return true
  }
}
