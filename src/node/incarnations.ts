import { createHash } from 'node:crypto'
import { CLUSTER_ID_BYTES, EARLIER_START_BYTES, MAX_EARLIER_STARTS } from '../codec/limits.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import { type MemberRecord, type PeerRecord, RecordType, type Start } from '../protocol/records.ts'
import type { Claim, Identity, Refusal, Standing, Verdict } from '../transport/transport.ts'

export interface IncarnationsOptions {
  readonly id: number
  readonly members: Membership
  /** Of the cluster, in an epoch after the first one; null in epoch 0, where it follows from the members. */
  readonly clusterId: string | null
  readonly incarnation: Uint8Array
  readonly origin?: Identity['origin'] | undefined
  /** Of this start: 16 random bytes. */
  readonly nonce: Uint8Array
  /** Writes records into one journal value; resolves with its number when it is durable. */
  readonly write: (records: readonly MemberRecord[]) => Promise<number>
  /** The highest number of a durable journal value that the peer has reported since this start. */
  readonly heard: (peer: number) => number
  /** Called before a later start of the peer is admitted: nothing from an earlier start may be handled any more. */
  readonly superseded: (peer: number) => void
  /** Called once, when all members are known to know each other. */
  readonly founded: () => void
}

/**
 * The members, durably: the incarnation of each member's directory, and its latest start. A member that has lost its
 * votes, or runs on a copy of a directory, is refused (protocol.md §9).
 *
 * - PEER is durable before a peer is welcomed. With a PEER for every member, the members have a name: the cluster id.
 * - MET says that a peer named the same id, so it has all of this durably, too. With a MET for every member, the
 *   cluster is founded: every member that votes from then on is known to all. A replica that hears of the founding from
 *   one member needs nothing from the others, because that member has it from all.
 *
 * Later epochs name the incarnations of all their members, so nobody has to be met there (protocol.md §11).
 */
export class Incarnations {
  readonly #options: IncarnationsOptions
  readonly #known = new Map<number, PeerRecord>()
  /** Peers whose incarnation is durable here. */
  readonly #written = new Set<number>()
  readonly #met = new Set<number>()
  /** Peers whose MET has a place in the journal, durable or not. */
  readonly #metRecorded = new Set<number>()
  /** By peer: the record of its latest start, if it is not durable yet. */
  readonly #pending = new Map<number, Promise<void>>()
  #start: Start
  /** Nonces of the latest earlier starts of this directory, the oldest first; and as they are named in handshakes. */
  #nonces: Uint8Array[] = []
  #earlier: Uint8Array = new Uint8Array(0)
  #startedAt = 0
  #clusterId: string | null = null
  #founded = false
  /** The founding was heard of, and is being written down. */
  #gossip = false

  constructor(options: IncarnationsOptions) {
    this.#options = options
    this.#start = { number: 1, nonce: options.nonce }
    this.#clusterId = options.clusterId
  }

  /** A record found in a checkpoint or, after that, in the journal. */
  restore(record: MemberRecord): void {
    if (record.type === RecordType.start) {
      // The checkpoint had it already.
      if (record.number < this.#start.number) return
      this.#start = { ...this.#start, number: record.number + 1 }
      this.#nonces.push(record.nonce)
      if (this.#nonces.length > MAX_EARLIER_STARTS) this.#nonces.shift()
    } else if (record.type === RecordType.met) {
      this.#met.add(record.id)
      this.#metRecorded.add(record.id)
    } else {
      this.#known.set(record.id, record)
      this.#written.add(record.id)
    }
  }

  /** Called after the journal is replayed. */
  restored(): void {
    const latest = [...this.#nonces].reverse()
    this.#earlier = Buffer.concat(latest.map((nonce) => nonce.subarray(0, EARLIER_START_BYTES)))
    this.#name()
    if (this.#isLater) this.#isFounded()
    else this.#found()
  }

  /** Writes this start down. Resolves when it is durable; no link may be made before. */
  async start(): Promise<void> {
    this.#startedAt = await this.#options.write([{ type: RecordType.start, ...this.#start }])
  }

  /**
   * What {@link restore} takes to get here: everything that was given to the journal until now, durable or not, and the
   * highest journal numbers that peers have reported.
   *
   * @param members those whose checkpoint it is for; of another epoch for its beginning
   */
  image(members = this.#options.members): MemberRecord[] {
    const nonces = [...this.#nonces, this.#start.nonce]
    const first = this.#start.number - this.#nonces.length
    const starts = nonces.map((nonce, i) => ({ type: RecordType.start, number: first + i, nonce }))
    const known = [...this.#known.values()].filter(({ id }) => rowOf(members, id) >= 0)
    const peers = known.map((record) => ({ ...record, heard: this.#heard(record) }))
    const met = members.epoch > 0 ? [] : [...this.#metRecorded].map((id) => ({ type: RecordType.met, id }))
    return [...starts, ...peers, ...met]
  }

  /** Of the members that are durably known here; null until all are. */
  get clusterId(): string | null {
    return this.#clusterId
  }

  get founded(): boolean {
    return this.#founded
  }

  get standing(): Standing {
    return {
      ...{ start: this.#start, earlier: this.#earlier, journal: this.#startedAt },
      ...{ clusterId: this.#clusterId, founded: this.#founded },
    }
  }

  /** The peers that founding waits for. */
  get missing(): number[] {
    return this.#peers.filter((peer) => !this.#founded && !this.#met.has(peer))
  }

  /** See `TransportHandlers.admit`. */
  async admit(peer: number, claim: Claim, dialled: boolean): Promise<Verdict> {
    const refusal = this.#refusal(peer, claim)
    if (refusal !== null) return refusal
    if (this.#isGuest(peer, claim)) return 'yes'
    if (claim.start.number > (this.#known.get(peer)?.start.number ?? 0)) this.#learn(peer, claim)
    await this.#pending.get(peer)
    if (!this.#isLater) await this.#meetBy(peer, claim, dialled)
    // A later start may have come during one of the writes.
    if (!isSame(this.#known.get(peer)?.start.nonce, claim.start.nonce)) return 'copy'
    return dialled && !this.#isLater && !this.#met.has(peer) ? 'again' : 'yes'
  }

  /**
   * A frame came from an admitted peer. Only who is founded speaks; what the peer named as its members is the same then
   * as now.
   */
  spoke(peer: number): void {
    if (this.#founded || this.#gossip || !this.#met.has(peer)) return
    this.#gossip = true
    // Where that fails, the replica stops.
    this.#meet(this.#peers).catch(() => {})
  }

  #refusal(peer: number, claim: Claim): Refusal | null {
    const { epoch } = this.#options.members
    if (claim.epoch > epoch) return this.#refusalOfLater(peer, claim)
    if (epoch > 0) return this.#refusalInLater(peer, claim)
    // Nobody joins a founding: an epoch of members that joined names them.
    if (isJoiner(claim)) return 'unknown'
    // All members welcomed a founded member, and each of them knew all members: a replica that does not know them, or
    // knows others, is not a member.
    if (claim.founded && claim.clusterId !== this.#clusterId) return 'foreign'
    const known = this.#known.get(peer)
    if (known === undefined) return null
    if (!isSame(known.incarnation, claim.incarnation)) return 'amnesiac'
    return this.#isOlder(known, claim) ? 'copy' : null
  }

  /** The peer is in a later epoch: whoever it is, it must be of this cluster, and nobody who is known otherwise. */
  #refusalOfLater(peer: number, claim: Claim): Refusal | null {
    if (!claim.founded || claim.clusterId === null || claim.clusterId !== this.#clusterId) return 'foreign'
    const incarnation = this.#incarnationOf(peer)
    if (incarnation !== null && !isSame(incarnation, claim.incarnation)) return 'amnesiac'
    const known = this.#known.get(peer)
    return known !== undefined && this.#isOlder(known, claim) ? 'copy' : null
  }

  /** This replica is in a later epoch than the first one, and the peer is in the same one or an earlier one. */
  #refusalInLater(peer: number, claim: Claim): Refusal | null {
    const incarnation = this.#incarnationOf(peer)
    const isOurs = claim.founded && claim.clusterId === this.#clusterId
    if (claim.clusterId !== null && claim.clusterId !== this.#clusterId) return 'foreign'
    // A replica that was removed may fetch what tells it so. Nobody else is let in without being a member.
    if (incarnation === null) return isOurs && peer < this.#options.members.nextId ? null : 'unknown'
    if (!isSame(incarnation, claim.incarnation)) return 'amnesiac'
    const known = this.#known.get(peer)
    // A directory that has begun to take part is not one that waits to join: that would be an earlier copy of it.
    if (isJoiner(claim)) return known === undefined ? null : 'copy'
    if (!claim.founded && claim.epoch > 0) return 'foreign'
    return known !== undefined && this.#isOlder(known, claim) ? 'copy' : null
  }

  /** Nothing of what the peer says counts: nothing has to be known about it. */
  #isGuest(peer: number, claim: Claim): boolean {
    return isJoiner(claim) || (this.#options.members.epoch + claim.epoch > 0 && this.#incarnationOf(peer) === null)
  }

  /** Of a member; null if it is none, or is not known yet. */
  #incarnationOf(peer: number): Uint8Array | null {
    const { members } = this.#options.members
    const named = members.find(({ id }) => id === peer)?.incarnation ?? null
    return named ?? this.#known.get(peer)?.incarnation ?? null
  }

  get #isLater(): boolean {
    return this.#options.members.epoch > 0
  }

  /** The member's directory, as it is durably known here; null if it is not. */
  incarnationOf(id: number): Uint8Array | null {
    const { id: self, incarnation } = this.#options
    if (id === self) return incarnation
    return this.#written.has(id) || this.#isLater ? this.#incarnationOf(id) : null
  }

  /**
   * A later start knows the earlier one: the number alone says nothing, because a copy that is started again and again
   * counts on. A start is a journal value of its own, so it comes after everything that earlier starts reported as
   * durable. Within one start this need not be checked: its handshakes and heartbeats overtake each other.
   */
  #isOlder(known: PeerRecord, claim: Claim): boolean {
    const { start, journal } = claim
    if (start.number === known.start.number) return !isSame(known.start.nonce, start.nonce)
    if (start.number < known.start.number || !mayFollow(known.start, claim)) return true
    return journal <= this.#heard(known)
  }

  #learn(id: number, { incarnation, start, journal }: Claim): void {
    this.#options.superseded(id)
    const record: PeerRecord = { type: RecordType.peer, id, incarnation, start, heard: journal }
    this.#known.set(id, record)
    const written = this.#options.write([record]).then(() => {
      this.#written.add(id)
      this.#name()
    })
    this.#pending.set(id, written)
  }

  async #meetBy(peer: number, { founded, clusterId }: Claim, dialled: boolean): Promise<void> {
    if (founded) await this.#meet(this.#peers)
    else if (dialled && clusterId !== null && clusterId === this.#clusterId) await this.#meet([peer])
  }

  async #meet(peers: readonly number[]): Promise<void> {
    const ids = peers.filter((peer) => !this.#met.has(peer))
    if (ids.length === 0) return
    for (const id of ids) this.#metRecorded.add(id)
    await this.#options.write(ids.map((id) => ({ type: RecordType.met, id })))
    for (const id of ids) this.#met.add(id)
    this.#found()
  }

  /** The cluster has a name as soon as all its members are durably known. */
  #name(): void {
    if (this.#clusterId !== null || this.#written.size < this.#peers.length) return
    const { id: self, members, incarnation, origin = '' } = this.#options
    // Members that begin with different states name different ids, so they never found a cluster.
    const hash = createHash('sha256').update(origin, 'hex')
    for (const { id } of members.members) {
      hash.update(id === self ? incarnation : (this.#known.get(id) as PeerRecord).incarnation)
    }
    this.#clusterId = hash.digest('hex').slice(0, 2 * CLUSTER_ID_BYTES)
  }

  #found(): void {
    if (this.#founded || this.#met.size < this.#peers.length) return
    this.#isFounded()
  }

  #isFounded(): void {
    this.#founded = true
    this.#options.founded()
  }

  #heard({ id, heard }: PeerRecord): number {
    return Math.max(heard, this.#options.heard(id))
  }

  get #peers(): number[] {
    const { id: self, members } = this.#options
    return members.members.map(({ id }) => id).filter((id) => id !== self)
  }
}

/** It belongs to no cluster yet. */
function isJoiner({ replicas }: Claim): boolean {
  return replicas === 0
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Whether the earlier start, as far as the claim goes back to it, is one of the claimant's directory. */
function mayFollow(earlier: Start, claim: Claim): boolean {
  const at = (claim.start.number - earlier.number - 1) * EARLIER_START_BYTES
  const named = claim.earlier.subarray(at, at + EARLIER_START_BYTES)
  return named.length === 0 || isSame(earlier.nonce.subarray(0, EARLIER_START_BYTES), named)
}
