import { randomBytes } from 'node:crypto'
import { FORMAT_VERSION, INCARNATION_BYTES, START_NONCE_BYTES } from '../codec/limits.ts'
import type { Engine } from '../engine/engine.ts'
import { loadEngine, ReferenceEngine } from '../engine/index.ts'
import { CommandError, type EpaxosError, ErrorCode } from '../errors.ts'
import { encodeGroup, type GroupOptions } from '../execution/groups.ts'
import { onlyResult } from '../execution/results.ts'
import type { Numbers } from '../metrics/numbers.ts'
import { statusOf } from '../metrics/table.ts'
import { addressesOf, foundingMembers, type Membership } from '../protocol/membership.ts'
import type { CheckpointStore } from '../storage/checkpoints.ts'
import { DataDirectory, JOINER } from '../storage/directory.ts'
import { LmdbJournal } from '../storage/lmdb.ts'
import { openCheckpoints } from '../storage/lmdb-checkpoints.ts'
import { DiskSpace } from '../storage/space.ts'
import { type ChosenServer, chooseServer } from '../transport/server.ts'
import type { Identity } from '../transport/transport.ts'
import { WebSocketTransport } from '../transport/websocket.ts'
import { formatAddress, whyNotAdvertised } from './addresses.ts'
import { Answers } from './answers.ts'
import { CHECKPOINT_LIMITS, type CheckpointLimits } from './checkpointer.ts'
import { realClock } from './clock.ts'
import { newestEpochStart, peersIn } from './epoch-start.ts'
import { type ReplicaOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import type { Backup, ChangeRequest, Consistency, Members, Requests, Respond } from './requests.ts'
import { Seat } from './seat.ts'
import type { Status } from './status.ts'

/** What a replica has on its disk. */
interface Disk {
  readonly directory: DataDirectory
  readonly journal: LmdbJournal
  readonly checkpoints: CheckpointStore
  readonly space: DiskSpace
}

/** One replica of a replicated state machine: it takes commands and returns their results once they have executed. */
export class Replica implements Requests {
  readonly #options: ResolvedOptions
  /** Null for durability "memory". */
  readonly #disk: Disk | null
  readonly #seat: Seat
  readonly #server: ChosenServer
  /** Where clients reach each replica, by id; those that are known. */
  readonly #urls = new Map<number, string>()
  /** By row. Replaced, never changed: servers notice another list. */
  #clientUrls: readonly string[]
  readonly #answers = new Answers(() => realClock.now())
  #closing: Promise<void> | null = null
  #mayReturn = false

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
    const engine = await makeEngine(resolved, Math.max(peers.length, 1))
    const server = await chooseServer(resolved.server)
    if (data === null) return new Replica(resolved, engine, server, null, null)
    const owner = { cluster, id: id ?? JOINER, replicas: peers.length, formatVersion: FORMAT_VERSION }
    const directory = await DataDirectory.open(data, owner)
    try {
      const journal = await LmdbJournal.open(directory.journalPath)
      const checkpoints = await openCheckpoints(directory.checkpointsPath)
      const space = await DiskSpace.of(directory.path)
      const newest = newestEpochStart(checkpoints)
      const { replicas } = newest?.start.members.quorums ?? engine
      const own = replicas === engine.replicas ? engine : await makeEngine(resolved, replicas)
      return new Replica(resolved, own, server, { directory, journal, checkpoints, space }, newest)
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  private constructor(
    options: ResolvedOptions,
    engine: Engine,
    server: ChosenServer,
    disk: Disk | null,
    newest: ReturnType<typeof newestEpochStart>,
  ) {
    const { id, machine, peers, listen, secret, logger, requestTimeoutMs, sessionLifetimeMs, heldLimitBytes } = options
    this.#options = options
    this.#server = server
    this.#disk = disk
    const returning = disk?.directory.returning ?? null
    const founders = id === null || returning !== null ? null : foundingMembers(peers.map(formatAddress))
    const founder = founders === null ? JOINER : (id as number)
    const identity = this.#identity(newest?.start.members ?? founders, newest?.id ?? founder)
    const founderPeers = founders === null ? new Map<number, string>() : addressesOf(founders)
    const dialled = newest === null ? founderPeers : peersIn(newest.start, newest.id)
    this.#seat = new Seat({
      identity,
      epochStart: newest?.start ?? null,
      returning,
      startNonce: randomBytes(START_NONCE_BYTES),
      engine,
      makeEngine: (replicas) => makeEngine(options, replicas),
      machine,
      journal: disk?.journal ?? null,
      ...(disk !== null && {
        ...{ checkpoints: disk.checkpoints, space: disk.space, checkpointLimits: checkpointLimits(disk.space) },
      }),
      transport: new WebSocketTransport({ identity, listen, peers: dialled, secret, server }),
      clock: realClock,
      random: Math.random,
      logger,
      requestTimeoutMs,
      sessionLifetimeMs,
      heldLimitBytes,
      linked: (peer, { clientUrl }) => this.#learn(peer, whyNotAdvertised(clientUrl) === null ? clientUrl : ''),
      changed: () => {
        this.#clientUrls = this.#knownUrls()
      },
      failed: (error) => {
        this.#mayReturn = (error as EpaxosError).code === ErrorCode.removed && this.#seat.mayReturn(this.#seat.id)
        void this.close().finally(() => options.onFailure(error))
      },
    })
    this.#clientUrls = this.#knownUrls()
  }

  /** Null while it belongs to no cluster: a joiner. */
  get id(): number | null {
    return this.#seat.members === null ? null : this.#seat.id
  }

  /**
   * The id of the cluster: 32 hexadecimal digits, the same at all members, and different at every other cluster. Null
   * until all members know each other; the first start needs all of them for that.
   */
  get clusterId(): string | null {
    return this.#seat.clusterId
  }

  /** Null if the replica answers clients; otherwise why it does not. */
  get notReady(): string | null {
    return this.#seat.notReady
  }

  /** Null if the replica answers stale reads; otherwise why it does not. */
  get notReadable(): string | null {
    return this.#seat.notReadable
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
      await this.#seat.start()
    } catch (error) {
      await this.#disk?.directory.close()
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
    this.#seat.submit(group, this.#answers.counted(respond))
  }

  /** See {@link Requests.read}. */
  read(group: Uint8Array, consistency: Consistency, respond: Respond, min = ''): void {
    this.#seat.read(group, consistency, this.#answers.counted(respond), min)
  }

  /** See {@link Requests.token}. */
  get token(): string {
    return this.#seat.token
  }

  /** See {@link Requests.ageMs}. */
  get ageMs(): number | null {
    return this.#seat.ageMs
  }

  /**
   * Applies a command that only reads to the current state of this replica, which may lack what was answered elsewhere;
   * the replica need not be ready. It may see the state between two commands of a batch, never half a command. Throws
   * a `CommandError` (`refused`): `not_ready` while the journal is being replayed, before the cluster is founded and
   * after {@link close}, or what is wrong with the command, which must not write.
   */
  readStale(command: Uint8Array): Uint8Array {
    return this.#seat.readStale(command)
  }

  /** See {@link Requests.backup}. */
  backup(): Promise<Backup> {
    return this.#seat.backup(new Date().toISOString())
  }

  /** See {@link Requests.clientUrl}. */
  get clientUrl(): string {
    return this.#options.clientUrl
  }

  /** See {@link Requests.clientUrls}. */
  get clientUrls(): readonly string[] {
    return this.#clientUrls
  }

  /** See {@link Requests.members}. */
  members(): Members {
    const { epoch = 0, nextId = 0, members = [], mayReturn = [] } = this.#seat.members ?? {}
    return {
      ...{ epoch, nextId, mayReturn, leaving: this.#seat.isLeaving },
      members: members.map(({ id, address }) => ({
        ...{ id, address, client: this.#urlOf(id), up: id === this.id || this.#seat.isUp(id) },
      })),
    }
  }

  /** See {@link Requests.change}. */
  async change(change: ChangeRequest, force: boolean): Promise<Members> {
    await this.#seat.change(change, force)
    return this.members()
  }

  /**
   * Calls `listener` after each turn, when a server may send the answers that it gathered. Returns a function that ends
   * this.
   */
  onTurn(listener: () => void): () => void {
    return this.#seat.onTurn(listener)
  }

  status(): Status {
    const { cluster, durability, engine } = this.#options
    return {
      id: this.id,
      cluster,
      clusterId: this.clusterId,
      ready: this.notReady === null,
      reason: this.notReady ?? '',
      replicas: this.members().members.map(({ id, client, up }) => ({ id, client, up })),
      ...statusOf(this.numbers()),
      durability,
      engine,
      server: this.#server.kind,
      stateHash: this.#seat.stateHash,
    }
  }

  numbers(): Numbers {
    return { ...this.#seat.numbers, ...this.#answers.numbers }
  }

  /**
   * Stops accepting commands, waits for those in flight within the request timeout, makes everything durable and
   * closes.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * Whether this replica was removed because it stayed away: opened again on the same directory, it joins as a new
   * member.
   */
  get mayReturn(): boolean {
    return this.#mayReturn
  }

  async #close(): Promise<void> {
    await this.#seat.close()
    if (this.#mayReturn) await this.#renew()
    await this.#disk?.directory.close()
  }

  async #renew(): Promise<void> {
    const { id, members } = this.#seat
    try {
      await this.#disk?.directory.renew({ id, members: [...addressesOf(members as Membership)] })
    } catch (error) {
      this.#mayReturn = false
      this.#options.logger.error({ error: (error as Error).message }, 'it cannot come back by itself')
    }
  }

  #learn(peer: number, clientUrl: string): void {
    if (this.#urls.get(peer) === clientUrl) return
    this.#urls.set(peer, clientUrl)
    this.#clientUrls = this.#knownUrls()
  }

  #knownUrls(): readonly string[] {
    return (this.#seat.members?.members ?? []).map(({ id }) => this.#urlOf(id))
  }

  #urlOf(id: number): string {
    return id === this.id ? this.#options.clientUrl : (this.#urls.get(id) ?? '')
  }

  #identity(members: Membership | null, id: number): Identity {
    const { cluster, clientUrl, listen } = this.#options
    const incarnation = this.#disk?.directory.incarnation ?? randomBytes(INCARNATION_BYTES)
    const origin = this.#disk?.directory.origin ?? null
    const own = { cluster, members, id, incarnation, address: formatAddress(listen), clientUrl }
    if (this.#disk === null) return { ...own, durable: false }
    return { ...own, ...(origin !== null && { origin }) }
  }
}

function makeEngine({ engine }: ResolvedOptions, replicas: number): Promise<Engine> {
  return engine === 'wasm' ? loadEngine({ replicas }) : Promise.resolve(new ReferenceEngine(replicas))
}

/** A checkpoint, the next one, and the journal between them must fit on a small disk as well. */
function checkpointLimits({ totalBytes }: DiskSpace): CheckpointLimits {
  return { ...CHECKPOINT_LIMITS, leastBytes: Math.min(CHECKPOINT_LIMITS.leastBytes, totalBytes / 16) }
}
