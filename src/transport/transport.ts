import type { Membership } from '../protocol/membership.ts'
import type { Start } from '../protocol/records.ts'

export { MAX_FRAME_BYTES } from '../codec/limits.ts'

/**
 * Links between replicas: a frame goes to one peer, in order while the link is open, or not at all. What was in flight
 * when a link broke is lost silently; the protocol sends it again. Implementations: websocket.ts (real), memory.ts
 * (tests); both pass one compliance suite.
 */
export interface Identity {
  /** The name of the cluster: replicas of another cluster are refused. */
  readonly cluster: string
  /** The members of the epoch, including this replica; null for a joiner, which belongs to no cluster yet. */
  readonly members: Membership | null
  /** -1 for a joiner: it says the id under which the other side knows it. */
  readonly id: number
  /** 16 random bytes, made with the data directory. */
  readonly incarnation: Uint8Array
  /** Where it listens for its peers, `HOST:PORT`: who learns it can dial it. Empty if nobody is to do that. */
  readonly address: string
  /**
   * The URL at which clients reach this replica, e.g. `http://127.0.0.1:7001`: the peers learn it and report it to
   * clients.
   */
  readonly clientUrl: string
  /** False for durability "memory": its members stay the same for ever. True where absent. */
  readonly durable?: boolean
  /**
   * The digest of the backup that the directory was made from, 64 hexadecimal digits; absent if there was none. All
   * members that found a cluster begin with the same state.
   */
  readonly origin?: string
}

/** The {@link Identity} of a member. */
export interface MemberIdentity extends Identity {
  readonly members: Membership
}

/** An {@link Identity} as others learn it: of the members only their number. A joiner says the id that it was given. */
export interface Announcement extends Omit<Identity, 'members'> {
  /** 0 for a joiner. */
  readonly epoch: number
  /** Members of the epoch; 0 for a joiner. */
  readonly replicas: number
}

/** What a replica says about itself in a handshake besides its {@link Identity}: what may change while it runs. */
export interface Standing {
  readonly start: Start
  /**
   * The first bytes of the nonces of the starts before this one, the latest first: `EARLIER_START_BYTES` of each, of
   * at most `MAX_EARLIER_STARTS`. A directory that was copied has the same start numbers as its copy, but not the same
   * starts.
   */
  readonly earlier: Uint8Array
  /** The number of the journal value that holds this start: everything before it was found on the disk. */
  readonly journal: number
  /** The hash of the incarnations of all members, 32 hexadecimal digits; null until all are durably known. */
  readonly clusterId: string | null
  /** Every member has recorded all members, so this one takes part (protocol.md §9). */
  readonly founded: boolean
}

/** Everything that a replica says about itself when a link begins. */
export interface Claim extends Announcement, Standing {}

/**
 * Why a peer would not link.
 * - `cluster`: another cluster's name · `foreign`: another cluster, by its id
 * - `unknown`: no member has this id and this directory
 * - `amnesiac`: it knows this row with another incarnation, so this directory lacks votes
 * - `copy`: it knows a later start of this directory, or what this directory lacks
 * - `origin`: it would found the cluster with another state: its directory was not made from the same backup
 */
export type Refusal =
  | 'version'
  | 'cluster'
  | 'replicas'
  | 'row'
  | 'origin'
  | 'secret'
  | 'foreign'
  | 'unknown'
  | 'amnesiac'
  | 'copy'

/**
 * Whether a peer may link. `again`: it may, but is not useful yet, and is dialled again. Only a dialler gets this
 * verdict.
 */
export type Verdict = 'yes' | 'again' | Refusal

export interface TransportHandlers {
  /**
   * `bytes` are valid only until this returns: copy what must live. Frames come only from admitted peers. Returns false
   * if the frame is damaged: then the link that brought it is closed, so that the peer notices the gap in the stream
   * and dials a new link.
   */
  frame(from: number, bytes: Uint8Array): boolean
  /** What this replica says about itself now. */
  standing(): Standing
  /**
   * An otherwise acceptable peer wants to link, in either direction: may it, with this claim? `dialled`: this side
   * dialled, and the claim is its welcome. `as`: the id under which the peer knows this replica, the own one unless
   * this is a joiner. Resolves after everything that must be known about it is durable (protocol.md §9).
   */
  admit(peer: number, claim: Claim, dialled: boolean, as: number): Promise<Verdict>
  /** From now on frames can be sent to the peer. */
  up(peer: number, identity: Announcement): void
  /** The link is closed: reported once for each `up`. */
  down(peer: number): void
  /** The peer refused this replica, and named the id of its own cluster; the transport keeps trying, with backoff. */
  refused(peer: number, reason: Refusal, clusterId: string | null): void
  /** Something that arrived was dropped (malformed, too large, unauthenticated): for counters and the log. */
  dropped(reason: LinkDrop, what: string): void
}

/**
 * Why a transport drops something: a connection never became a link, the handshake of a link failed, this replica
 * refused the other one, or an open link broke the rules.
 */
export type LinkDrop = 'connection' | 'handshake' | 'refused' | 'link'

export interface Transport {
  /** Starts listening and dialling. Rejects if it cannot listen on the address. */
  start(handlers: TransportHandlers): Promise<void>
  /**
   * Sends one frame; the bytes must not change afterwards. Returns false if there is no link, or if it was closed
   * because it was behind.
   */
  send(peer: number, frame: Uint8Array): boolean
  /** Bytes accepted by {@link send} and not yet handed to the operating system. */
  buffered(peer: number): number
  /**
   * Ends the open links with the peer in both directions: no further frame is handled on them. Links that are being
   * made are left alone.
   */
  drop(peer: number): void
  /**
   * Takes another identity: that of another epoch, or of the member that a joiner has become. Every link, also each
   * that is being made, ends at once in both directions: `down` is reported before this returns for those that were up,
   * and nothing of the old links is handled afterwards, no frame and no verdict. From now on exactly these peers are
   * dialled, at once: `HOST:PORT` by id. An entry with the own id is ignored, so the addresses of all members will do.
   * The port stays open. Throws an `EpaxosError` with code `configuration`, and changes nothing, for an impossible
   * identity or address. Without effect on a transport that was closed.
   */
  become(identity: Identity, peers: ReadonlyMap<number, string>): void
  /**
   * Dials one more peer until the next {@link become}. Without effect if the peer is dialled at this address already;
   * if it is dialled at another one, that link ends first, and `down` is reported before this returns if it was up.
   * `as`: the id that a joiner says to this peer; a member says its own. Throws an `EpaxosError` with code
   * `configuration` for an address that cannot be dialled, for the own id, and for a joiner without an id to say.
   */
  dial(peer: number, address: string, as?: number): void
  /**
   * Asks who answers at an address (`HOST:PORT`), by one handshake as if it were the replica `id`: resolves with what
   * it says about itself. The link is closed after that: neither `admit` nor `up` is called here. Rejects within 3 s
   * with an `EpaxosError`: `unreachable` if nobody gives an answer, or if {@link become} ended the link;
   * `foreign_cluster`, `unauthorized` or `refused_by_peers` if one of the two sides refuses the other, by the reason;
   * `configuration` for an address that cannot be dialled, for the own id, and for a joiner, which has no id to say;
   * `closed` if the transport does not run.
   */
  probe(address: string, id: number): Promise<Claim>
  close(): Promise<void>
}

/** What a member needs of a transport: its seat does the rest. */
export type MemberTransport = Pick<Transport, 'send' | 'buffered' | 'drop'>

/** A link that is behind by this many bytes is closed: the peer asks for what it missed when it is back. */
export const MAX_BACKPRESSURE_BYTES = 64 << 20
