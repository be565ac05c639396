import { randomBytes } from 'node:crypto'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { decodeRecord } from '../codec/records.ts'
import type { Engine } from '../engine/engine.ts'
import { FootprintBuilder } from '../engine/footprint.ts'
import { loadEngine, ReferenceEngine } from '../engine/index.ts'
import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { Executor } from '../execution/executor.ts'
import { encodeGroup, type GroupOptions } from '../execution/groups.ts'
import { ResultReader, Status as ResultStatus } from '../execution/results.ts'
import { Core } from '../protocol/core.ts'
import type { Batch } from '../protocol/messages.ts'
import type { PeerRecord } from '../protocol/records.ts'
import { DEFAULT_TIMING } from '../protocol/timing.ts'
import { DataDirectory } from '../storage/directory.ts'
import { LmdbJournal } from '../storage/lmdb.ts'
import { freeBytes, NEARLY_FULL_BYTES } from '../storage/space.ts'
import type { Address } from '../transport/links.ts'
import type { Identity, Refusal } from '../transport/transport.ts'
import { WebSocketTransport } from '../transport/websocket.ts'
import { Driver } from './driver.ts'
import { Incarnations } from './incarnations.ts'
import { type ReplicaOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import { type Answer, Proposals, type Respond } from './proposals.ts'
import { Readiness } from './readiness.ts'
import { replayJournal } from './replay.ts'
import type { Status } from './status.ts'

/** Own instances that may be unexecuted at a time; what comes then gathers into the next batch (protocol.md §6, bounded tails). */
const WINDOW = 16

/** Between looks at deadlines and readiness. */
const POLL_MS = 25
const DISK_POLL_MS = 1000

/** A journal of this size is worth a warning: nothing is truncated in this version. */
const LARGE_JOURNAL_BYTES = 4 * 2 ** 30

/** One replica of a replicated state machine: give it commands, it gives their results once they have executed. */
export class Replica {
  readonly #options: ResolvedOptions
  readonly #directory: DataDirectory | null
  readonly #journal: LmdbJournal | null
  readonly #core: Core
  readonly #executor: Executor
  readonly #proposals: Proposals
  readonly #driver: Driver
  readonly #transport: WebSocketTransport
  readonly #incarnations: Incarnations
  readonly #peers: { client: string }[]
  readonly #turned = new Set<() => void>()
  readonly #staleKeys = new FootprintBuilder()
  #readiness: Readiness | null = null
  #timers: NodeJS.Timeout[] = []
  #closing: Promise<void> | null = null
  #failure: Error | null = null
  #diskFull = false
  #warnedOfSize = false
  #dropped = 0
  #replayMs = 0
  /** Resolved by {@link #turn} when the journal value is durable, by its number. */
  #durable: { number: number; resolve: () => void }[] = []

  /** Opens the data directory, replays the journal, listens and connects. Resolves when the replica takes part, ready or not. */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const replica = await Replica.create(options)
    await replica.start()
    return replica
  }

  /** As {@link open}, but without the start: for servers that want to say "not ready" meanwhile. */
  static async create(options: ReplicaOptions): Promise<Replica> {
    const resolved = resolveOptions(options)
    const { id, cluster, peers, data } = resolved
    const engine =
      resolved.engine === 'wasm' ? await loadEngine({ replicas: peers.length }) : new ReferenceEngine(peers.length)
    if (data === null) return new Replica(resolved, engine, null, null)
    const owner = { cluster, id, replicas: peers.length, formatVersion: FORMAT_VERSION }
    const directory = await DataDirectory.open(data, owner)
    try {
      return new Replica(resolved, engine, directory, await LmdbJournal.open(directory.journalPath))
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  private constructor(
    options: ResolvedOptions,
    engine: Engine,
    directory: DataDirectory | null,
    journal: LmdbJournal | null,
  ) {
    const { id, machine, peers } = options
    this.#options = options
    this.#directory = directory
    this.#journal = journal
    this.#peers = peers.map((_, peer) => ({ client: peer === id ? options.clientUrl : '' }))
    this.#core = new Core({
      id,
      replicas: peers.length,
      engine,
      timing: DEFAULT_TIMING,
      random: Math.random,
      readBatch: journal === null ? null : (number, index) => readBatch(journal, number, index, peers.length),
    })
    this.#executor = new Executor({
      engine,
      machine,
      ownRow: id,
      batchOf: (row, slot) => this.#core.batchToExecute(row, slot),
      onExecuted: (row, slot, results) => {
        this.#core.executed(row, slot)
        if (results !== null) this.#proposals.executed(slot, results)
      },
    })
    this.#proposals = new Proposals(machine, WINDOW)
    this.#incarnations = new Incarnations((record) => this.#writeDown(record))
    const { secret } = options
    const listen = peers[id] as Address
    this.#transport = new WebSocketTransport({ identity: this.#identity(), listen, peers, secret })
    this.#driver = new Driver({
      core: this.#core,
      executor: this.#executor,
      proposals: this.#proposals,
      journal,
      transport: this.#transport,
      replicas: peers.length,
      now: () => performance.now(),
      dropped: (what) => this.#drop(what),
      failed: (error) => this.#fail(error),
      turned: () => this.#afterTurn(),
    })
  }

  get id(): number {
    return this.#options.id
  }

  /** Null when the replica answers clients; otherwise why it does not. */
  get notReady(): string | null {
    if (this.#failure !== null) return 'the replica has failed'
    if (this.#closing !== null) return 'the replica is being closed'
    if (this.#readiness === null) return 'the journal is being replayed'
    return this.#readiness.reason
  }

  /** Replays the journal, then listens and connects. */
  async start(): Promise<void> {
    const { logger, durability } = this.#options
    if (durability === 'memory') {
      logger.warn({}, 'durability memory: nothing survives this process, which must not come back under its id')
    }
    try {
      const before = performance.now()
      if (this.#journal !== null) {
        const execute = () => this.#driver.executeReplayed()
        await replayJournal(this.#journal, this.#peers.length, this.#core, this.#incarnations, execute)
      }
      this.#replayMs = Math.round(performance.now() - before)
      logger.info({ replayMs: this.#replayMs, journalBytes: this.#journal?.bytes ?? 0 }, 'journal replayed')
      this.#driver.start()
      this.#readiness = new Readiness(this.#core, (respond) => this.#submitBarrier(respond))
      this.#timers = [setInterval(() => this.#poll(), POLL_MS), setInterval(() => this.#pollDisk(), DISK_POLL_MS)]
      await this.#pollDisk()
      await this.#transport.start({
        frame: (from, bytes) => this.#driver.frame(from, bytes),
        admit: (peer, incarnation) => this.#incarnations.admit(peer, incarnation),
        up: (peer, identity) => this.#up(peer, identity),
        down: (peer) => this.#down(peer),
        refused: (peer, reason) => this.#refused(peer, reason),
        dropped: (what) => this.#drop(what),
      })
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  /**
   * Proposes one command and resolves with its result, after its execution here. With a session the command is done once, however often and
   * at whichever replica it is proposed. Rejects with a `CommandError`: `refused` is certainly not done, `unknown` may be done.
   */
  propose(command: Uint8Array, session?: GroupOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.submit(encodeGroup([command], session), (answer) => {
        if (answer.outcome !== 'done') return reject(new CommandError(answer.code, answer.outcome, answer.message))
        const results = new ResultReader(answer.results)
        results.next()
        if (results.status === ResultStatus.expired) {
          const message = 'the request was acknowledged before, or its session was closed'
          reject(new CommandError(ErrorCode.sessionExpired, 'refused', message))
        } else resolve(results.result.slice())
      })
    })
  }

  /**
   * Submits a group of commands (groups.ts), whose bytes are copied. `respond` is called exactly once: at once where the group is refused, and with views that are
   * valid until it returns.
   */
  submit(group: Uint8Array, respond: Respond): void {
    const { notReady } = this
    if (notReady !== null) return respond({ outcome: 'refused', code: ErrorCode.notReady, message: notReady })
    if (this.#diskFull)
      return respond({ outcome: 'refused', code: ErrorCode.diskFull, message: 'the disk is nearly full' })
    try {
      this.#proposals.submit(group, performance.now() + this.#options.requestTimeoutMs, respond)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      return respond({ outcome: 'refused', code: error.code, message: error.message })
    }
    this.#driver.arm()
  }

  /**
   * Applies a command that only reads to the state as it is here, which may lack what was answered elsewhere. Throws a `CommandError` (`refused`), for a
   * command that may write as well.
   */
  readStale(command: Uint8Array): Uint8Array {
    const { notReady } = this
    if (notReady !== null) throw new CommandError(ErrorCode.notReady, 'refused', notReady)
    const { machine } = this.#options
    const keys = this.#staleKeys
    keys.rewind([0, 0, 0])
    try {
      machine.footprint(command, keys)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      throw new CommandError(error.code, 'refused', error.message)
    }
    if (keys.writes > 0) throw new CommandError(ErrorCode.badCommand, 'refused', 'a stale read must not write')
    return machine.apply(command)
  }

  /** Where clients reach each replica; empty for those that are not known. */
  get clientUrls(): readonly string[] {
    return this.#peers.map(({ client }) => client)
  }

  /** Calls `listener` after each turn: answers that a server gathered in the turn may leave. Returns what ends it. */
  onTurn(listener: () => void): () => void {
    this.#turned.add(listener)
    return () => this.#turned.delete(listener)
  }

  status(): Status {
    const { id, cluster, durability, engine } = this.#options
    const { fast, slow, recovered, noop, dropped } = this.#core.counts
    const { commands, cycles } = this.#executor.counts
    return {
      id,
      cluster,
      epoch: 0,
      ready: this.notReady === null,
      reason: this.notReady ?? '',
      replicas: this.#peers.map(({ client }, peer) => ({ id: peer, client, up: this.#core.alive(peer) })),
      committed: this.#core.committed,
      executed: this.#executor.executed.vector,
      counts: { fast, slow, recovered, noop, commands, cycles, dropped: dropped + this.#dropped },
      oldestUncommittedMs: Math.round(this.#core.oldestUncommittedMs),
      journalBytes: this.#journal?.bytes ?? 0,
      replayMs: this.#replayMs,
      durability,
      engine,
      stateHash: this.#executor.stateHash(),
    }
  }

  /** Stops taking commands, waits for those in flight within the request timeout, makes everything durable and closes. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const end = performance.now() + this.#options.requestTimeoutMs
    while (this.#proposals.waiting > 0 && performance.now() < end && this.#failure === null) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.#driver.finish()
    await this.#release()
  }

  async #release(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    this.#driver.stop()
    this.#proposals.abandon(ErrorCode.closed, 'the replica was closed before the answer')
    this.#afterTurn()
    await this.#transport.close()
    try {
      await this.#journal?.close()
    } catch (error) {
      this.#options.logger.error({ error: (error as Error).message }, 'the journal was not closed in order')
    }
    await this.#directory?.close()
  }

  #identity(): Identity {
    const { id, cluster, peers, clientUrl } = this.#options
    const incarnation = this.#directory?.incarnation ?? randomBytes(16)
    return { cluster, epoch: 0, replicas: peers.length, id, incarnation, clientUrl }
  }

  #submitBarrier(respond: (answer: Answer) => void): void {
    this.#proposals.submitBarrier(performance.now() + this.#options.requestTimeoutMs, respond)
    this.#driver.arm()
  }

  #writeDown(record: PeerRecord): Promise<void> {
    const number = this.#core.writeDown(record)
    this.#driver.arm()
    return new Promise((resolve) => this.#durable.push({ number, resolve }))
  }

  #afterTurn(): void {
    if (this.#durable.length > 0) {
      const durable = this.#core.durableNumber
      for (const { number, resolve } of this.#durable) if (number <= durable) resolve()
      this.#durable = this.#durable.filter(({ number }) => number > durable)
    }
    for (const listener of this.#turned) listener()
  }

  #up(peer: number, { clientUrl }: Identity): void {
    ;(this.#peers[peer] as { client: string }).client = clientUrl
    this.#options.logger.info({ peer }, 'linked')
    this.#driver.linkUp(peer)
  }

  #down(peer: number): void {
    this.#options.logger.warn({ peer }, 'link closed')
    this.#driver.linkDown(peer)
  }

  #refused(peer: number, reason: Refusal): void {
    this.#options.logger.warn({ peer, reason }, 'refused by a peer')
    if (reason !== 'amnesiac') return
    const message = `replica ${peer} knows replica ${this.id} with another data directory: this one must not vote under that id`
    this.#fail(new EpaxosError(ErrorCode.refusedByPeers, message))
  }

  #drop(what: string): void {
    this.#dropped++
    // A flood of garbage must not become a flood of lines.
    if (this.#dropped <= 100 || this.#dropped % 1000 === 0) {
      this.#options.logger.warn({ what, dropped: this.#dropped }, 'dropped')
    }
  }

  #poll(): void {
    this.#proposals.expire(performance.now())
    this.#readiness?.poll()
    this.#afterTurn()
  }

  async #pollDisk(): Promise<void> {
    if (this.#directory === null || this.#journal === null) return
    const { logger } = this.#options
    const full = (await freeBytes(this.#directory.path)) < NEARLY_FULL_BYTES
    if (full !== this.#diskFull)
      logger.warn({ full }, full ? 'the disk is nearly full: updates are refused' : 'there is space again')
    this.#diskFull = full
    if (!this.#warnedOfSize && this.#journal.bytes > LARGE_JOURNAL_BYTES) {
      this.#warnedOfSize = true
      logger.warn({ journalBytes: this.#journal.bytes }, 'the journal has grown large: nothing of it is truncated')
    }
  }

  /** Fail-stop: everything open is answered as unknown, and nothing is said any more. */
  #fail(error: Error): void {
    if (this.#failure !== null || this.#closing !== null) return
    this.#failure = error
    this.#options.logger.error(
      { code: (error as EpaxosError).code ?? 'internal', error: error.message, stack: error.stack },
      'the replica stops',
    )
    this.#closing = this.#release()
    void this.#closing.finally(() => this.#options.onFailure(error))
  }
}

function readBatch(journal: LmdbJournal, number: number, index: number, replicas: number): Batch {
  const value = journal.read(number)
  if (value === null) throw new EpaxosError(ErrorCode.damaged, `journal value ${number} is missing`)
  const record = decodeRecord(value, index, replicas)
  if (!('batch' in record) || record.batch === null) {
    throw new EpaxosError(ErrorCode.damaged, `record ${index} of journal value ${number} holds no batch`)
  }
  return record.batch
}
