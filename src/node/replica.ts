import { randomBytes } from 'node:crypto'
import { FORMAT_VERSION, INCARNATION_BYTES, START_NONCE_BYTES } from '../codec/limits.ts'
import type { Engine } from '../engine/engine.ts'
import { FootprintBuilder } from '../engine/footprint.ts'
import { loadEngine, ReferenceEngine } from '../engine/index.ts'
import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { encodeGroup, type GroupOptions } from '../execution/groups.ts'
import { applyWithin } from '../execution/machine.ts'
import { onlyResult } from '../execution/results.ts'
import { DataDirectory } from '../storage/directory.ts'
import { LmdbJournal } from '../storage/lmdb.ts'
import { FULL_BYTES, freeBytes, NEARLY_FULL_BYTES } from '../storage/space.ts'
import type { Address } from '../transport/links.ts'
import { type ChosenServer, chooseServer } from '../transport/server.ts'
import type { Identity } from '../transport/transport.ts'
import { WebSocketTransport } from '../transport/websocket.ts'
import { formatAddress, whyNotAdvertised } from './addresses.ts'
import { realClock } from './clock.ts'
import { Member } from './member.ts'
import { type ReplicaOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import type { Respond } from './proposals.ts'
import type { Status } from './status.ts'

/** Often enough that the reserved space cannot fill up in between. */
const DISK_POLL_MS = 200

/** A journal of this size deserves a warning: this version truncates nothing. */
const LARGE_JOURNAL_BYTES = 4 * 2 ** 30

/** One replica of a replicated state machine: it takes commands and returns their results once they have executed. */
export class Replica {
  readonly #options: ResolvedOptions
  readonly #directory: DataDirectory | null
  readonly #journal: LmdbJournal | null
  readonly #member: Member
  readonly #server: ChosenServer
  readonly #peers: { client: string }[]
  readonly #staleKeys = new FootprintBuilder()
  #stopPollingDisk: () => void = () => {}
  #closing: Promise<void> | null = null
  #diskFull = false
  #warnedOfSize = false

  /**
   * Opens the data directory, replays the journal, listens and connects. Resolves when the replica takes part, ready or
   * not.
   */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const replica = await Replica.create(options)
    await replica.start()
    return replica
  }

  /** Like {@link open}, but without the start: for servers that want to answer "not ready" in the meantime. */
  static async create(options: ReplicaOptions): Promise<Replica> {
    const resolved = resolveOptions(options)
    const { id, cluster, peers, data } = resolved
    const engine =
      resolved.engine === 'wasm' ? await loadEngine({ replicas: peers.length }) : new ReferenceEngine(peers.length)
    const server = await chooseServer(resolved.server)
    if (data === null) return new Replica(resolved, engine, server, null, null)
    const owner = { cluster, id, replicas: peers.length, formatVersion: FORMAT_VERSION }
    const directory = await DataDirectory.open(data, owner)
    try {
      const replica = new Replica(resolved, engine, server, directory, await LmdbJournal.open(directory.journalPath))
      await replica.#pollDisk()
      return replica
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  private constructor(
    options: ResolvedOptions,
    engine: Engine,
    server: ChosenServer,
    directory: DataDirectory | null,
    journal: LmdbJournal | null,
  ) {
    const { id, machine, peers, secret, logger, requestTimeoutMs } = options
    this.#options = options
    this.#server = server
    this.#directory = directory
    this.#journal = journal
    this.#peers = peers.map((_, peer) => ({ client: peer === id ? options.clientUrl : '' }))
    const identity = this.#identity()
    this.#member = new Member({
      identity,
      startNonce: randomBytes(START_NONCE_BYTES),
      addresses: peers.map(formatAddress),
      engine,
      machine,
      journal,
      transport: new WebSocketTransport({ identity, listen: peers[id] as Address, peers, secret, server }),
      clock: realClock,
      random: Math.random,
      logger,
      requestTimeoutMs,
      linked: (peer, { clientUrl }) => {
        const told = clientUrl === '' || whyNotAdvertised(clientUrl) === null ? clientUrl : ''
        ;(this.#peers[peer] as { client: string }).client = told
      },
      failed: (error) => this.#end(error),
    })
  }

  get id(): number {
    return this.#options.id
  }

  /**
   * The id of the cluster: 32 hexadecimal digits, the same at all members, and different at every other cluster. Null
   * until all members know each other; the first start needs all of them for that.
   */
  get clusterId(): string | null {
    return this.#member.clusterId
  }

  /** Null if the replica answers clients; otherwise why it does not. */
  get notReady(): string | null {
    return this.#member.notReady
  }

  /** Null if the replica answers stale reads; otherwise why it does not. */
  get notReadable(): string | null {
    return this.#member.notReadable ?? (this.clusterId === null ? 'the cluster is not founded yet' : null)
  }

  /** Replays the journal, then listens and connects. */
  async start(): Promise<void> {
    const { logger, durability } = this.#options
    const { kind, reason } = this.#server
    logger.info({ server: kind, ...(reason !== '' && { reason }) }, 'the server of the peer port')
    if (durability === 'memory') {
      logger.warn({}, 'durability memory: nothing survives this process, which must not come back under its id')
    }
    try {
      let polling = false
      this.#stopPollingDisk = realClock.every(DISK_POLL_MS, () => {
        // A disk that hangs must not occupy all threads of the pool.
        if (polling) return
        polling = true
        this.#pollDisk()
          .catch((error) => this.#fail(error))
          .finally(() => {
            polling = false
          })
      })
      await this.#member.start()
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  /**
   * Proposes one command and resolves with its result, after its execution here. With a session the command is done
   * once, however often and at whichever replica it is proposed. Rejects with a `CommandError`: `refused`, this try is
   * certainly not done; `unknown`, it may be done. `session_expired` and `busy` from the session are unknown: another
   * copy of the request may be done.
   */
  propose(command: Uint8Array, session?: GroupOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.submit(encodeGroup([command], session), (answer) => {
        if (answer.outcome !== 'done') return reject(new CommandError(answer.code, answer.outcome, answer.message))
        try {
          resolve(onlyResult(answer.results).slice())
        } catch (error) {
          reject(error as CommandError)
        }
      })
    })
  }

  /**
   * Submits a group of commands (groups.ts); its bytes are copied. `respond` is called exactly once: at once if the
   * group is refused; with views that are valid until it returns.
   */
  submit(group: Uint8Array, respond: Respond): void {
    this.#member.submit(group, respond)
  }

  /**
   * Applies a command that only reads to the current state of this replica, which may lack what was answered elsewhere;
   * the replica need not be ready. It may see the state between two commands of a batch, never half a command. Throws
   * a `CommandError` (`refused`): `not_ready` while the journal is being
   * replayed, before the cluster is founded and after {@link close}, or what is wrong with the command, which must not
   * write.
   */
  readStale(command: Uint8Array): Uint8Array {
    return this.readStaleWithin(command, Number.POSITIVE_INFINITY) as Uint8Array
  }

  /** Like {@link readStale}; may return null instead of a result of more than `room` bytes. */
  readStaleWithin(command: Uint8Array, room: number): Uint8Array | null {
    const { notReadable } = this
    if (notReadable !== null) throw new CommandError(ErrorCode.notReady, 'refused', notReadable)
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
    return applyWithin(machine, command, room)
  }

  /** The URLs at which clients reach each replica; empty if unknown. */
  get clientUrls(): readonly string[] {
    return this.#peers.map(({ client }) => client)
  }

  /**
   * Calls `listener` after each turn, when a server may send the answers that it gathered. Returns a function that ends
   * this.
   */
  onTurn(listener: () => void): () => void {
    return this.#member.onTurn(listener)
  }

  status(): Status {
    const { id, cluster, durability, engine } = this.#options
    const { core, executor, dropped: droppedBefore, replayMs } = this.#member
    const { fast, slow, recovered, noop, dropped, deferred } = core.counts
    const { commands, cycles } = executor.counts
    const { sessions: open, numbers, bytes } = executor.sessions.kept
    return {
      id,
      cluster,
      clusterId: this.clusterId,
      epoch: 0,
      ready: this.notReady === null,
      reason: this.notReady ?? '',
      replicas: this.#peers.map(({ client }, peer) => ({ id: peer, client, up: core.alive(peer) })),
      committed: core.committed,
      executed: executor.executed.vector,
      counts: { fast, slow, recovered, noop, commands, cycles, dropped: dropped + droppedBefore, deferred },
      sessions: { open, numbers, bytes },
      oldestUncommittedMs: Math.round(core.oldestUncommittedMs),
      journalBytes: this.#journal?.bytes ?? 0,
      replayMs,
      durability,
      engine,
      server: this.#server.kind,
      stateHash: executor.stateHash(),
    }
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
    await this.#member.close()
    await this.#release()
  }

  async #release(): Promise<void> {
    this.#stopPollingDisk()
    await this.#directory?.close()
  }

  #identity(): Identity {
    const { id, cluster, peers, clientUrl } = this.#options
    const incarnation = this.#directory?.incarnation ?? randomBytes(INCARNATION_BYTES)
    return { cluster, epoch: 0, replicas: peers.length, id, incarnation, clientUrl }
  }

  /** What is written to a deleted directory is lost: nothing more may be reported as durable. */
  #fail(error: EpaxosError): void {
    if (this.#closing !== null) return
    this.#options.logger.error({ code: error.code }, error.message)
    this.#end(error)
  }

  #end(error: Error): void {
    void this.close().finally(() => this.#options.onFailure(error))
  }

  async #pollDisk(): Promise<void> {
    if (this.#directory === null || this.#journal === null) return
    const { logger } = this.#options
    const free = await freeBytes(this.#directory.path)
    const full = free < NEARLY_FULL_BYTES
    if (full !== this.#diskFull)
      logger.warn({ full }, full ? 'the disk is nearly full: updates are refused' : 'there is space again')
    this.#diskFull = full
    this.#member.onlyReads = full
    const suspended = full && (this.#member.suspended || free < FULL_BYTES)
    if (suspended && !this.#member.suspended) logger.error({}, 'the disk is full: the replica takes no part')
    this.#member.suspended = suspended
    if (!this.#warnedOfSize && this.#journal.bytes > LARGE_JOURNAL_BYTES) {
      this.#warnedOfSize = true
      logger.warn({ journalBytes: this.#journal.bytes }, 'the journal has grown large: nothing of it is truncated')
    }
  }
}
