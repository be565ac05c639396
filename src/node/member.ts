import type { Engine } from '../engine/engine.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { Executor } from '../execution/executor.ts'
import type { StateMachine } from '../execution/machine.ts'
import type { Limits } from '../execution/sweep.ts'
import { Core } from '../protocol/core.ts'
import { OPEN_PER_ROW } from '../protocol/liveness.ts'
import type { MemberRecord } from '../protocol/records.ts'
import { DEFAULT_TIMING, type Timing } from '../protocol/timing.ts'
import type { Journal } from '../storage/journal.ts'
import type { Claim, Identity, Refusal, Transport, Verdict } from '../transport/transport.ts'
import { batchReader } from './batch-reader.ts'
import type { Clock } from './clock.ts'
import { Driver } from './driver.ts'
import type { Logger } from './logger.ts'
import { Membership } from './membership.ts'
import { type Answer, Proposals, type Respond } from './proposals.ts'
import { Readiness } from './readiness.ts'
import { Refusals } from './refusals.ts'
import { replayJournal } from './replay.ts'
import { Sweeper } from './sweeper.ts'

export interface MemberOptions {
  readonly identity: Identity
  /** Of this start: 16 random bytes. */
  readonly startNonce: Uint8Array
  /** Where each replica listens, for people. */
  readonly addresses?: readonly string[]
  readonly engine: Engine
  readonly machine: StateMachine
  /** Null for durability "memory". */
  readonly journal: Journal | null
  readonly transport: Transport
  readonly clock: Clock
  /** Uniform in [0, 1), used only for jitter. */
  readonly random: () => number
  readonly logger: Logger
  /** After this time a command is answered as unknown. */
  readonly requestTimeoutMs: number
  readonly timing?: Timing
  /** The maximum number of own unexecuted instances; {@link WINDOW} by default. */
  readonly window?: number
  /** A link with this many unsent bytes is behind; {@link BEHIND_BYTES} by default. */
  readonly behindBytes?: number
  /** How much is executed in one turn of the event loop, in the work of `Budget`; {@link WORK_PER_TURN} by default. */
  readonly workPerTurn?: number
  /** The limits of what sessions keep; the same at all replicas. */
  readonly sessionLimits?: Limits
  /** The number of crashes that the fast path survives; the largest legal number by default. */
  readonly fastCrashes?: number
  readonly linked: (peer: number, identity: Identity) => void
  /** Called once if the member stops by itself: the storage failed, the peers refused it, or an invariant broke. */
  readonly failed: (error: Error) => void
}

/**
 * The maximum number of own unexecuted instances; later commands gather in the next batch (protocol.md §6, bounded
 * tails).
 */
const WINDOW = 16

// Peers check only so many open instances of a row at a time. Everything that a replica leaves open, even over some
// restarts, must be among them.
if (4 * WINDOW > OPEN_PER_ROW)
  throw new RangeError('the window must be well below the instances of a row that are looked at')

/** A few ms of a slow network. */
const BEHIND_BYTES = 256 << 10

/** About 10 ms for a machine as fast as the key-value store. */
const WORK_PER_TURN = 8 << 20

/** The interval between checks of deadlines and readiness. */
const POLL_MS = 25

/** The interval between checks of what is in flight, while it closes. */
const CLOSE_POLL_MS = 5

/**
 * A member of a cluster, composed of its parts: the core, the execution, the driver, the proposals of its clients.
 * Network, disk and time are passed in: real ones by {@link Replica}, simulated ones by the simulator.
 */
export class Member {
  readonly core: Core
  readonly executor: Executor
  readonly #options: MemberOptions
  readonly #proposals: Proposals
  readonly #driver: Driver
  readonly #membership: Membership
  readonly #refusals: Refusals
  readonly #turned = new Set<() => void>()
  readonly #sweeper: Sweeper
  #readiness: Readiness | null = null
  #stopPolling: () => void = () => {}
  #closing: Promise<void> | null = null
  #failure: Error | null = null
  /** Nothing becomes durable any more. */
  #released = false
  #dropped = 0
  /** How many of the messages that the core dropped were logged. */
  #toldDropped = 0
  #replayMs = 0
  /** What was last logged about the founding. */
  #toldFounding = ''
  /** Settled after the turn in which the journal value with this number is durable. */
  #durable: { number: number; resolve: (number: number) => void; reject: (error: Error) => void }[] = []

  constructor(options: MemberOptions) {
    const { identity, engine, machine, journal, transport, clock, random, timing, fastCrashes } = options
    const { sessionLimits } = options
    const { id, replicas } = identity
    this.#options = options
    this.core = new Core({
      id,
      replicas,
      engine,
      timing: timing ?? DEFAULT_TIMING,
      random,
      readBatch: journal === null ? null : batchReader(journal, replicas),
      ...(fastCrashes === undefined ? {} : { fastCrashes }),
      stateHash: () => this.executor.quickHash(),
    })
    this.executor = new Executor({
      engine,
      machine,
      ownRow: id,
      ...(sessionLimits === undefined ? {} : { sessionLimits }),
      batchOf: (row, slot) => this.core.batchToExecute(row, slot),
      onExecuted: (row, slot, results) => {
        this.core.executed(row, slot)
        if (results !== null) this.#proposals.executed(slot, results, clock.now())
      },
    })
    const { epoch } = identity
    this.#proposals = new Proposals({
      machine,
      window: options.window ?? WINDOW,
      requestTimeoutMs: options.requestTimeoutMs,
      place: () => ({ row: id, slot: this.core.slot, epoch }),
    })
    this.#sweeper = new Sweeper(this.executor.sessions, (generation, respond) => {
      this.#proposals.submitSweep(generation, clock.now(), respond)
      this.#driver.arm()
    })
    this.#refusals = new Refusals(this.core.quorums.crashes)
    this.#membership = new Membership({
      ...{ id, replicas, incarnation: identity.incarnation, nonce: options.startNonce },
      write: (records) => this.#writeDown(records),
      heard: (peer) => this.core.heardJournal(peer),
      superseded: (peer) => transport.drop(peer),
      founded: () => this.core.found(),
    })
    this.#driver = new Driver({
      core: this.core,
      executor: this.executor,
      proposals: this.#proposals,
      journal,
      transport,
      replicas,
      clock,
      behindBytes: options.behindBytes ?? BEHIND_BYTES,
      workPerTurn: options.workPerTurn ?? WORK_PER_TURN,
      dropped: (what) => this.#drop(what),
      failed: (error) => this.#fail(error),
      turned: () => this.#afterTurn(),
      stalled: (ms) => this.#stalled(ms),
    })
  }

  /** Null if the member answers clients; otherwise why it does not. */
  get notReady(): string | null {
    if (this.notReadable !== null) return this.notReadable
    if (this.#driver.suspended) return 'the disk is full'
    const reason = this.core.founded ? (this.#readiness as Readiness).reason : this.#founding
    const refused = this.#refusals.describe((peer) => this.#nameOf(peer))
    return reason === null || refused === '' ? reason : `${reason}; ${refused}`
  }

  /**
   * Null if its state may be read; otherwise why not. The state in the middle of a replay is not shown: it may be
   * older, by any amount, than what was read here before the restart.
   */
  get notReadable(): string | null {
    if (this.#failure !== null) return 'the replica has failed'
    if (this.#closing !== null) return 'the replica is being closed'
    return this.#readiness === null ? 'the journal is being replayed' : null
  }

  /** The same at all members once they are founded, and different at every other cluster; null before. */
  get clusterId(): string | null {
    const { clusterId, founded } = this.#membership.standing
    return founded ? clusterId : null
  }

  /** Messages and links that were dropped before they reached the core. */
  get dropped(): number {
    return this.#dropped
  }

  /** While true, updates are refused: the disk is nearly full. */
  set onlyReads(value: boolean) {
    this.#proposals.onlyReads = value
  }

  /** While true it takes part in nothing, as if it were down: the disk is full. */
  get suspended(): boolean {
    return this.#driver.suspended
  }

  set suspended(value: boolean) {
    this.#driver.suspended = value
  }

  /** How long the replay of the journal took. */
  get replayMs(): number {
    return this.#replayMs
  }

  /** Replays the journal, then listens and connects. */
  async start(): Promise<void> {
    const { identity, journal, transport, clock, logger } = this.#options
    try {
      const before = clock.now()
      if (journal !== null) {
        const execute = () => this.#driver.executeReplayed()
        await replayJournal(journal, identity.replicas, this.core, this.#membership, clock, execute)
      }
      this.#replayMs = Math.round(clock.now() - before)
      logger.info({ replayMs: this.#replayMs, journalBytes: journal?.bytes ?? 0 }, 'journal replayed')
      this.#membership.restored()
      this.#driver.start()
      this.#readiness = new Readiness(this.core, (respond) => this.#submitBarrier(respond))
      this.#stopPolling = clock.every(POLL_MS, () => this.#poll())
      await this.#membership.start()
      await transport.start({
        frame: (from, bytes) => {
          this.#membership.spoke(from)
          return this.#driver.frame(from, bytes)
        },
        standing: () => this.#membership.standing,
        admit: (peer, claim, dialled) => this.#admit(peer, claim, dialled),
        up: (peer, its) => this.#up(peer, its),
        down: (peer) => this.#down(peer),
        refused: (peer, reason, clusterId) => this.#refused(peer, reason, clusterId),
        dropped: (what) => this.#drop(what),
      })
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  /**
   * Submits a group of commands (groups.ts); its bytes are copied. `respond` is called exactly once: at once if the
   * group is refused; with views that are valid until it returns.
   */
  submit(group: Uint8Array, respond: Respond): void {
    const { notReady } = this
    if (notReady !== null) return respond({ outcome: 'refused', code: ErrorCode.notReady, message: notReady })
    try {
      this.#proposals.submit(group, this.#options.clock.now(), respond)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      return respond({ outcome: 'refused', code: error.code, message: error.message })
    }
    this.#driver.arm()
  }

  /** Calls `listener` after each turn. Returns a function that ends this. */
  onTurn(listener: () => void): () => void {
    this.#turned.add(listener)
    return () => this.#turned.delete(listener)
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
    const { clock } = this.#options
    const end = this.#deadlineMs()
    while (this.#proposals.waiting > 0 && clock.now() < end && this.#failure === null) {
      await new Promise<void>((resolve) => clock.after(CLOSE_POLL_MS, resolve))
    }
    this.#driver.finish()
    await this.#release()
  }

  async #release(): Promise<void> {
    const { transport, journal, logger } = this.#options
    this.#stopPolling()
    this.#driver.stop()
    this.#released = true
    this.#proposals.abandon(ErrorCode.closed, 'the replica was closed before the answer')
    for (const { reject } of this.#durable.splice(0)) reject(new EpaxosError(ErrorCode.closed, 'the replica is closed'))
    this.#afterTurn()
    await transport.close()
    try {
      await journal?.close()
    } catch (error) {
      logger.error({ error: (error as Error).message }, 'the journal was not closed in order')
    }
  }

  #deadlineMs(): number {
    return this.#options.clock.now() + this.#options.requestTimeoutMs
  }

  #submitBarrier(respond: (answer: Answer) => void): void {
    this.#proposals.submitBarrier(this.#options.clock.now(), respond)
    this.#driver.arm()
  }

  #writeDown(records: readonly MemberRecord[]): Promise<number> {
    if (this.#released) return Promise.reject(new EpaxosError(ErrorCode.closed, 'the replica is closed'))
    const number = this.core.writeDown(records)
    this.#driver.arm()
    return new Promise((resolve, reject) => this.#durable.push({ number, resolve, reject }))
  }

  #afterTurn(): void {
    if (this.#durable.length > 0) {
      const durable = this.core.durableNumber
      for (const { number, resolve } of this.#durable) if (number <= durable) resolve(number)
      this.#durable = this.#durable.filter(({ number }) => number > durable)
    }
    const { dropped } = this.core.counts
    if (dropped > this.#toldDropped) this.#tellDropped('a message out of range', dropped)
    this.#toldDropped = dropped
    this.#proposals.sessionsAreFull = this.#sweeper.full
    if (this.notReady === null) this.#sweeper.poll(this.#options.clock.now())
    for (const listener of this.#turned) listener()
  }

  /**
   * Peers show anew whether they believe this start, and nothing that was decided before the stop is answered: a copy
   * of the directory may have decided otherwise meanwhile.
   */
  #stalled(ms: number): void {
    const { identity, transport, logger } = this.#options
    logger.warn({ stalledMs: Math.round(ms) }, 'the process was stopped: it links anew')
    this.#proposals.abandon(ErrorCode.timeout, 'the replica was stopped meanwhile')
    for (let peer = 0; peer < identity.replicas; peer++) if (peer !== identity.id) transport.drop(peer)
  }

  #up(peer: number, identity: Identity): void {
    this.#options.linked(peer, identity)
    this.#options.logger.info({ peer }, 'linked')
    this.#driver.linkUp(peer)
  }

  #down(peer: number): void {
    this.#options.logger.warn({ peer }, 'link closed')
    this.#driver.linkDown(peer)
  }

  #admit(peer: number, claim: Claim, dialled: boolean): Promise<Verdict> {
    if (dialled) this.#refusals.welcomed(peer)
    return this.#membership.admit(peer, claim, dialled)
  }

  #refused(peer: number, reason: Refusal, clusterId: string | null): void {
    if (!this.#refusals.refused(peer, reason, clusterId)) return
    this.#options.logger.warn({ peer, reason, clusterId }, 'refused by a peer')
    const why = this.#refusals.whyEnd(this.#membership.standing)
    if (why !== null) this.#fail(new EpaxosError(ErrorCode.refusedByPeers, why))
  }

  /** The members that founding waits for, as text. */
  get #founding(): string {
    const names = this.#membership.missing.map((peer) => this.#nameOf(peer))
    return `founding: waits for ${names.join(', ')}: the first start needs all members`
  }

  #nameOf(peer: number): string {
    const address = this.#options.addresses?.[peer]
    return `replica ${peer}${address === undefined ? '' : ` (${address})`}`
  }

  #tellFounding(): void {
    const { founded } = this.core
    const text = founded ? 'founded: all members know each other' : this.#founding
    if (text === this.#toldFounding) return
    this.#toldFounding = text
    this.#options.logger.info(founded ? { clusterId: this.clusterId } : {}, text)
  }

  #drop(what: string): void {
    this.#dropped++
    this.#tellDropped(what, this.#dropped)
  }

  /** A flood of garbage must not become a flood of log lines. */
  #tellDropped(what: string, dropped: number): void {
    if (dropped <= 100 || dropped % 1000 === 0) this.#options.logger.warn({ what, dropped }, 'dropped')
  }

  #poll(): void {
    this.#proposals.expire(this.#options.clock.now())
    if (!this.#driver.suspended) this.#readiness?.poll()
    this.#tellFounding()
    this.#afterTurn()
  }

  /** Fail-stop: everything open is answered as unknown, and nothing more is sent. */
  #fail(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#options.logger.error(
      { code: (error as EpaxosError).code ?? 'internal', error: error.message, stack: error.stack },
      'the replica stops',
    )
    this.#closing ??= this.#release()
    this.#options.failed(error)
  }
}
