import { createHash } from 'node:crypto'
import { START_NONCE_BYTES } from '../codec/limits.ts'
import type { Engine } from '../engine/engine.ts'
import { loadEngine } from '../engine/index.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Executor } from '../execution/executor.ts'
import type { SessionTable } from '../execution/sessions.ts'
import type { Core } from '../protocol/core.ts'
import { Epochs, fateOf } from '../protocol/epochs.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import type { Returning } from '../storage/directory.ts'
import type {
  Announcement,
  Claim,
  Identity,
  MemberIdentity,
  Refusal,
  Standing,
  Transport,
  Verdict,
} from '../transport/transport.ts'
import { enterEpoch } from './entering.ts'
import type { Carried } from './epoch-end.ts'
import { type EpochStart, epochStartOf, memberWith, peersIn } from './epoch-start.ts'
import { Guests, isForeign } from './guests.ts'
import { HELD_LIMIT_BYTES } from './held-limit.ts'
import { Leaving } from './leaving.ts'
import { Member } from './member.ts'
import type { MemberOptions } from './member-options.ts'
import { type MemberNumbers, NO_MEMBER } from './numbers.ts'
import type { ReadCounts } from './reads.ts'
import { Reconfiguration } from './reconfiguration.ts'
import type { Backup, ChangeRequest, Consistency, Respond } from './requests.ts'

type Shared = Omit<MemberOptions, 'identity' | 'epochs' | 'epochStart' | 'sessions' | 'ended' | 'transport'>

export interface SeatOptions extends Shared {
  /** In the epoch that {@link newestEpochStart} tells, or of a joiner. */
  readonly identity: Identity
  /** What {@link newestEpochStart} tells of the data directory. */
  readonly epochStart?: EpochStart | null
  /** Made with this identity and, in a later epoch than the first one, {@link peersIn} it; not started. */
  readonly transport: Transport
  /** How much may be kept for members that stay away, in bytes; {@link HELD_LIMIT_BYTES} by default, 0 for no limit. */
  readonly heldLimitBytes?: number
  /** Of a joiner that was removed because it stayed away; see {@link Returning}. */
  readonly returning?: Returning | null
  /** For an epoch of so many members; that of the first one is `engine`. */
  readonly makeEngine?: (replicas: number) => Promise<Engine>
  /** A peer can be sent to. */
  readonly linked?: (peer: number, identity: Announcement) => void
  /** Another epoch has begun here. */
  readonly changed?: () => void
}

const JOINING = 'it waits until a member of a cluster takes it in: `epaxos members add`'

/**
 * The place of a replica in its cluster, over all epochs (protocol.md §11): it runs one `Member` after the other, one
 * per epoch, on one data directory and one transport. A new epoch begins like a restart, from the checkpoint with which
 * it begins, and never goes back to an earlier one. Before the first one a joiner waits here, and after the last one a
 * removed replica serves what the others still need of it.
 */
export class Seat {
  readonly #options: SeatOptions
  readonly #reconfiguration: Reconfiguration
  #identity: Identity
  #start: EpochStart | null
  /** Null at a joiner. */
  #epochs: Epochs | null = null
  #member: Member | null = null
  #leaving: Leaving | null = null
  #guests: Guests | null = null
  /** What peers said when they were dialled, by id. */
  readonly #claims = new Map<number, Claim>()
  /** Peers that can be sent to, by id: whether as members of the same epoch. */
  readonly #linked = new Map<number, boolean>()
  /** Members with durability "memory", by id. */
  readonly #forgetful = new Set<number>()
  readonly #servers = new Set<() => void>()
  /** The beginning of the present epoch. */
  #beginning: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null
  #failed = false
  #mayLeave = false

  constructor(options: SeatOptions) {
    this.#options = options
    this.#reconfiguration = this.#makeReconfiguration()
    this.#identity = options.identity
    this.#start = options.epochStart ?? null
    const { members, id } = this.#identity
    if (members !== null) this.#epochs = new Epochs(members, id)
    if (this.#isMember) this.#member = this.#make(options.engine, options.startNonce, null)
  }

  /** The member of the present epoch. */
  get member(): Member {
    if (this.#member === null) throw new EpaxosError(ErrorCode.notReady, this.notReady ?? JOINING)
    return this.#member
  }

  get core(): Core {
    return this.member.core
  }

  get executor(): Executor {
    return this.member.executor
  }

  get readCounts(): Readonly<ReadCounts> {
    return this.member.readCounts
  }

  /** Of the state; empty at a joiner. */
  get stateHash(): string {
    return this.#member?.executor.stateHash() ?? ''
  }

  /** The numbers of the present epoch's member, or of the last one. */
  get numbers(): MemberNumbers {
    return this.#member?.numbers ?? NO_MEMBER
  }

  /** Messages and links that were dropped before they reached the core. */
  get dropped(): number {
    return this.#member?.dropped ?? 0
  }

  /** Who takes part; null at a joiner. */
  get members(): Membership | null {
    return this.#identity.members
  }

  /** -1 at a joiner. */
  get id(): number {
    return this.#identity.id
  }

  /** Whether this replica was removed. */
  get isLeaving(): boolean {
    return this.#identity.members !== null && !this.#isMember
  }

  /** Whether a replica that was removed may come back by itself. */
  mayReturn(id: number): boolean {
    return this.#identity.members?.mayReturn.includes(id) ?? false
  }

  /** Whether the peer is up, as far as this replica knows. */
  isUp(id: number): boolean {
    const { members } = this.#identity
    if (members === null || this.#member === null || this.isLeaving) return this.#linked.has(id)
    const row = rowOf(members, id)
    return row >= 0 && this.#member.core.alive(row)
  }

  get clusterId(): string | null {
    return this.#start?.clusterId ?? this.#member?.clusterId ?? null
  }

  get notReady(): string | null {
    if (this.#member === null || this.isLeaving) return this.#notTakingPart
    return this.#later ?? this.#member.notReady
  }

  get notReadable(): string | null {
    return this.#member === null || this.isLeaving ? this.#notTakingPart : this.#member.notReadable
  }

  get #notTakingPart(): string {
    if (this.isLeaving) return this.#mayLeave ? 'this replica was removed' : 'this replica was removed, and is leaving'
    const progress = this.#guests?.progress
    if (progress == null) return JOINING
    return `joining: ${progress.receivedBytes} of ${progress.bytes} bytes of the state are here`
  }

  /** Why it waits for a later epoch; null if it does not. */
  get #later(): string | null {
    const epoch = this.#guests?.laterEpoch ?? null
    return epoch === null ? null : `behind: the cluster is in epoch ${epoch}`
  }

  /** Restores the state, then listens and connects. */
  async start(): Promise<void> {
    const { transport } = this.#options
    try {
      this.#assertOwn()
      if (this.#member !== null) await this.#member.start()
      else if (this.isLeaving) await this.#leave(this.#options.startNonce)
      this.#guests = this.#makeGuests()
      await transport.start({
        frame: (from, bytes) => this.#receive(from, bytes),
        standing: () => this.#standing,
        admit: (peer, claim, dialled, as) => this.#admit(peer, claim, dialled, as),
        refused: (peer, reason, clusterId) => this.#refused(peer, reason, clusterId),
        up: (peer, identity) => this.#up(peer, identity),
        down: (peer) => this.#down(peer),
        dropped: (reason, what) => this.#member?.drops.add(reason, what),
      })
      this.#reconfiguration.start()
      if (this.#identity.members === null) this.#askToReturn()
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  /** Whoever of the members hears it takes it in. */
  #askToReturn(): void {
    const { returning, transport } = this.#options
    if (returning == null) return
    for (const [id, address] of returning.members) transport.dial(id, address, returning.id)
  }

  /**
   * A joiner that has anything on its disk was a member: without its checkpoint it lacks votes (protocol.md §9). So
   * does a directory whose checkpoint is another one's.
   */
  #assertOwn(): void {
    const { journal, checkpoints, logger } = this.#options
    const { members, id, incarnation, address } = this.#identity
    const own = members?.members[rowOf(members, id)]
    if (members !== null && members.epoch > 0 && own !== undefined && own.address !== address) {
      logger.warn(
        { known: own.address, address },
        'the members know this replica at another address than it listens at',
      )
    }
    const named = own?.incarnation ?? null
    if (named !== null && Buffer.compare(named, incarnation) !== 0) {
      const message = `the checkpoint is that of another directory: replica ${id} has another one`
      throw new EpaxosError(ErrorCode.foreignDirectory, message)
    }
    if (members !== null || (journal?.last ?? 0) + (checkpoints?.whole.length ?? 0) === 0) return
    const message = 'this replica was a member, and its checkpoint is damaged or gone: replace it by a new one'
    throw new EpaxosError(ErrorCode.damaged, message)
  }

  /** See `Requests.submit`. */
  submit(group: Uint8Array, respond: Respond): void {
    if (!this.#refuse(respond)) this.member.submit(group, respond)
  }

  /** See `Requests.read`. */
  read(group: Uint8Array, consistency: Consistency, respond: Respond, min = ''): void {
    if (this.#member !== null && !this.isLeaving && (consistency === 'stale' || consistency === 'min')) {
      return this.#member.read(group, consistency, respond, min)
    }
    if (!this.#refuse(respond)) this.member.read(group, consistency, respond, min)
  }

  #refuse(respond: Respond): boolean {
    const message = this.#member === null || this.isLeaving ? this.#notTakingPart : this.#later
    if (message === null) return false
    respond({ outcome: 'refused', code: ErrorCode.notReady, message })
    return true
  }

  /** See `Requests.token`. */
  get token(): string {
    return this.#member?.token ?? ''
  }

  /** See `Requests.ageMs`. */
  get ageMs(): number | null {
    return this.#member?.ageMs ?? null
  }

  /** See `StaleReads.read`. */
  readStale(command: Uint8Array): Uint8Array {
    return this.member.readStale(command)
  }

  /** See `Requests.backup`. `takenAt`: now, in ISO 8601. */
  async backup(takenAt: string): Promise<Backup> {
    if (this.notReady !== null) throw new EpaxosError(ErrorCode.notReady, this.notReady)
    return await this.member.backup(takenAt)
  }

  /** See `Requests.onTurn`. */
  onTurn(listener: () => void): () => void {
    this.#servers.add(listener)
    return () => this.#servers.delete(listener)
  }

  /** See `Requests.change`. Resolves when the next epoch has begun here. */
  change(request: ChangeRequest, force: boolean): Promise<void> {
    return this.#reconfiguration.change(request, force)
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
    const closed = this.#member?.close()
    await this.#beginning.catch(() => {})
    await closed
    await this.#member?.close()
    await this.#release()
  }

  async #release(): Promise<void> {
    const { transport, journal, checkpoints, logger } = this.#options
    this.#guests?.stop()
    this.#reconfiguration.stop()
    this.#toldOfEpoch()
    await transport.close()
    try {
      await checkpoints?.close()
      await journal?.close()
    } catch (error) {
      logger.error({ error: (error as Error).message }, 'the data directory was not closed in order')
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.#toldOfEpoch()
    this.#options.failed(error)
  }

  get #isMember(): boolean {
    const { members, id } = this.#identity
    return members !== null && rowOf(members, id) >= 0
  }

  #make(engine: Engine, startNonce: Uint8Array, sessions: SessionTable | null): Member {
    const member: Member = new Member({
      ...this.#options,
      ...{ engine, startNonce, sessions, identity: this.#identity as MemberIdentity },
      ...{ epochs: this.#epochs as Epochs, epochStart: this.#start },
      ended: (next) => {
        this.#guests?.stop()
        this.#advance(next, member.handOver(), member.sessions)
      },
      failed: (error) => this.#fail(error),
    })
    member.onTurn(() => {
      for (const server of this.#servers) server()
    })
    return member
  }

  /**
   * The next epoch, whose first checkpoint is in the data directory.
   *
   * @param sessions if this replica has closed the epoch before itself: the machine has the state of the checkpoint
   */
  #advance(start: EpochStart, carried: Carried, sessions: SessionTable | null): void {
    this.#beginning = this.#begin(start, sessions)
    this.#beginning.then(
      () => this.#giveOn(carried),
      (error) => {
        this.#giveBack(carried, ErrorCode.closed, 'the next epoch does not begin here')
        if (this.#closing === null) this.#fail(error as Error)
      },
    )
  }

  async #begin(start: EpochStart, sessions: SessionTable | null): Promise<void> {
    const { journal, transport, makeEngine = (replicas) => loadEngine({ replicas }), logger, changed } = this.#options
    const { members } = start
    this.#guests?.stop()
    const own = this.#identity.id >= 0 ? this.#identity.id : (memberWith(members, this.#identity.incarnation)?.id ?? -1)
    this.#identity = { ...this.#identity, members, id: own }
    this.#start = start
    if (this.#epochs === null) this.#epochs = new Epochs(members, own)
    else this.#epochs.holds(members)
    transport.become(this.#identity, new Map())
    this.#claims.clear()
    // All of it is of earlier epochs.
    journal?.trim(journal.last + 1)
    if (this.#isMember) {
      const engine = await makeEngine(members.quorums.replicas)
      this.#member = this.#make(engine, this.#nonce(members.epoch), sessions)
      if (this.#closing !== null) return
      await this.#member.start()
    } else await this.#leave(this.#nonce(members.epoch))
    logger.info({ epoch: members.epoch, members: members.members.map(({ id }) => id) }, 'the epoch begins')
    if (this.#closing !== null) return
    this.#guests = this.#makeGuests()
    transport.become(this.#identity, peersIn(start, this.#identity.id))
    changed?.()
    this.#toldOfEpoch()
  }

  #giveOn(carried: Carried): void {
    if (this.#closing !== null) return this.#giveBack(carried, ErrorCode.closed, 'the replica is being closed')
    // What was in flight has not executed, and never does in the epoch before.
    if (fateOf({ done: false, inSession: false }, this.#isMember) === 'again') return this.member.takeOver(carried)
    this.#giveBack(carried, ErrorCode.notReady, 'this replica was removed: ask another one')
  }

  /** None of it has executed, or will. */
  #giveBack({ proposals, reads }: Carried, code: ErrorCode, message: string): void {
    for (const { waiters } of [...proposals, ...reads]) {
      for (const respond of waiters) respond({ outcome: 'refused', code, message })
    }
    for (const server of this.#servers) server()
  }

  /** Each epoch is a start of its own. */
  #nonce(epoch: number): Uint8Array {
    const hash = createHash('sha256').update(this.#options.startNonce).update(`${epoch}`).digest()
    return Uint8Array.from(hash.subarray(0, START_NONCE_BYTES))
  }

  async #leave(nonce: Uint8Array): Promise<void> {
    const { journal, checkpoints, logger } = this.#options
    if (journal === null || checkpoints === undefined || this.#start === null) throw new Error('it was never a member')
    const start = this.#start
    this.#leaving = new Leaving({
      ...{ identity: this.#identity, start, epochs: this.#epochs as Epochs, nonce, journal, store: checkpoints },
      failed: (error) => this.#fail(error),
      mayLeave: () => {
        this.#mayLeave = true
        logger.info({ epoch: start.members.epoch }, 'removed: enough of the members have what this replica had')
        this.#toldOfEpoch()
        // What waits for that is answered first.
        this.#options.clock.soon(() => this.#fail(removed(start.members.epoch, this.mayReturn(this.id))))
      },
    })
    await this.#leaving.begin()
    logger.warn(
      { epoch: start.members.epoch },
      'this replica was removed: it stays until enough of the members have what it has',
    )
  }

  #makeReconfiguration(): Reconfiguration {
    const { transport, journal, heldLimitBytes = HELD_LIMIT_BYTES, clock, logger } = this.#options
    return new Reconfiguration({
      ...{ heldLimitBytes, clock, logger },
      members: () => this.#identity.members as Membership,
      asked: {
        probe: (address) => transport.probe(address, (this.#identity.members as Membership).nextId),
        incarnationOf: (id) => this.member.incarnationOf(id),
        isUp: (id) => id === this.id || this.isUp(id),
        addressOf: (id) => (id === this.id ? this.#identity.address : (this.#claims.get(id)?.address ?? null)),
        isDurable: (id) => (id === this.id ? journal !== null : !this.#forgetful.has(id)),
      },
      notReady: () => this.notReady,
      propose: (next) => this.member.reconfigure(next),
      mayLeave: () => this.#mayLeave,
      held: () => this.member.held,
    })
  }

  #makeGuests(): Guests | null {
    const { checkpoints, transport, clock, logger, space } = this.#options
    if (checkpoints === undefined) return null
    return new Guests({
      ...{ store: checkpoints, transport, clock, logger, epoch: this.#identity.members?.epoch ?? 0 },
      isJoiner: this.#identity.members === null,
      hasSpace: (bytes) => space === undefined || this.#member === null || this.#member.hasSpace(bytes),
      mayEnter: () => this.#closing === null && (this.#member === null || this.#member.makeWay()),
      enter: (reader, clusterId) => this.#enter(reader, clusterId),
      failed: (error) => this.#fail(error),
    })
  }

  /** By a checkpoint of a peer, which was fetched. */
  async #enter(reader: CheckpointReader, clusterId: string): Promise<void> {
    const { journal, checkpoints, clock } = this.#options
    const { cluster, incarnation } = this.#identity
    const start = epochStartOf(reader)
    if (start === null || start.clusterId !== clusterId || reader.header.cluster !== cluster) {
      throw new EpaxosError(ErrorCode.malformed, 'a peer gave a checkpoint of another cluster')
    }
    // A replica that was removed serves the checkpoint, too: others may have missed the change as it did.
    const isJoiner = this.#identity.members === null
    const id = isJoiner ? memberWith(start.members, incarnation)?.id : this.#identity.id
    if (id === undefined) {
      throw new EpaxosError(ErrorCode.malformed, 'a peer gave a checkpoint that does not name this replica')
    }
    for (const { name } of reader.sections) for (const _ of reader.chunks(name)) await pause(clock)
    const records = (await this.#member?.giveWay(start.members)) ?? []
    const goesOn = () => {
      if (this.#closing !== null) throw new EpaxosError(ErrorCode.closed, 'the replica is closed')
    }
    await enterEpoch({
      ...{ reader, start, store: checkpoints as CheckpointStore, cluster, id, records, clock, goesOn },
      journal: journal?.last ?? 0,
    })
    this.#advance(start, this.#member?.handOver() ?? NOTHING, null)
  }

  get #standing(): Standing {
    const current = this.#leaving?.standing ?? this.#member?.handshakes.standing
    if (current !== undefined) return current
    const { startNonce } = this.#options
    const start = { number: 1, nonce: startNonce }
    return { start, earlier: new Uint8Array(0), journal: 0, clusterId: null, founded: false }
  }

  async #admit(peer: number, claim: Claim, dialled: boolean, as: number): Promise<Verdict> {
    await this.#beginning
    const verdict = await this.#judge(peer, claim, dialled)
    if (verdict !== 'yes') {
      if (claim.replicas === 0 && this.mayReturn(peer)) void this.#reconfiguration.takeBack(peer, claim.address)
      return verdict
    }
    if (claim.durable === false) this.#forgetful.add(peer)
    if (dialled) this.#claims.set(peer, claim)
    else if (this.#isGuest(claim)) this.#options.transport.dial(peer, claim.address, as)
    return verdict
  }

  #judge(peer: number, claim: Claim, dialled: boolean): Promise<Verdict> {
    if (this.#leaving !== null) return this.#leaving.admit(peer, claim, dialled)
    if (this.#member !== null) return this.#member.handshakes.admit(peer, claim, dialled)
    // A joiner believes whoever knows the secret: what it fetches must name it.
    return Promise.resolve(claim.founded && claim.clusterId !== null ? 'yes' : 'foreign')
  }

  /** Whether a replica that links would not be dialled otherwise: one of the two needs a checkpoint of the other. */
  #isGuest({ id, founded, address }: Claim): boolean {
    const { members } = this.#identity
    return address !== '' && founded && (members === null || rowOf(members, id) < 0)
  }

  #refused(peer: number, reason: Refusal, clusterId: string | null): void {
    if (this.#member !== null && !this.isLeaving) this.#member.handshakes.refused(peer, reason, clusterId)
    else this.#options.logger.info({ peer, reason, clusterId }, 'refused by a peer')
  }

  #up(peer: number, identity: Announcement): void {
    const { members } = this.#identity
    const isPeer = members !== null && this.#isMember && identity.epoch === members.epoch && rowOf(members, peer) >= 0
    this.#linked.set(peer, isPeer && identity.replicas > 0)
    this.#options.linked?.(peer, identity)
    this.#options.logger.info({ peer, epoch: identity.epoch }, 'linked')
    if (this.#linked.get(peer)) this.member.linkUp(peer)
    else this.#guests?.up(peer, this.#claims.get(peer) as Claim)
  }

  #down(peer: number): void {
    this.#options.logger.warn({ peer }, 'link closed')
    if (this.#linked.get(peer)) this.member.linkDown(peer)
    else this.#guests?.down(peer)
    this.#linked.delete(peer)
  }

  /** See `TransportHandlers.frame`. */
  #receive(from: number, bytes: Uint8Array): boolean {
    if (Guests.isFor(bytes)) return this.#receiveGuest(from, bytes)
    const { members } = this.#identity
    if (this.#member === null || members === null || rowOf(members, from) < 0) return true
    return this.#member.receive(from, bytes)
  }

  #receiveGuest(from: number, bytes: Uint8Array): boolean {
    try {
      return this.#guests?.receive(from, bytes) ?? true
    } catch (error) {
      if (!isForeign(error)) throw error
      this.#member?.drops.add('malformed', `from replica ${from}: ${error.message}`)
      return true
    }
  }

  /** Those who wait for the next epoch may look; a removed replica keeps them until it may leave. */
  #toldOfEpoch(): void {
    if (this.isLeaving && !this.#mayLeave && this.#closing === null && !this.#failed) return
    this.#reconfiguration.settled()
  }
}

const NOTHING: Carried = { proposals: [], reads: [] }

function removed(epoch: number, mayReturn: boolean): EpaxosError {
  const how = mayReturn
    ? 'this replica was removed because it stayed away: started again, it becomes a new member'
    : `this replica was removed: it is no member of epoch ${epoch}. Its directory is of no use any more`
  return new EpaxosError(ErrorCode.removed, how)
}

function pause(clock: MemberOptions['clock']): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve))
}
