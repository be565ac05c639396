import type { Start } from '../protocol/records.ts'

export { MAX_FRAME_BYTES } from '../codec/limits.ts'

/**
 * Links between replicas: a frame goes to one peer, in order while the link stands, or not at all. What was in flight when a link broke is
 * lost without a word; the protocol sends again. Implementations: websocket.ts (real), memory.ts (tests); both pass one compliance suite.
 */
export interface Identity {
  /** The cluster's name: replicas of another are refused. */
  readonly cluster: string
  readonly epoch: number
  /** Members of the epoch. */
  readonly replicas: number
  readonly id: number
  /** 16 random bytes, made with the data directory. */
  readonly incarnation: Uint8Array
  /** Where clients reach this replica, e.g. `http://127.0.0.1:7001`: told to the peers, who tell it to clients. */
  readonly clientUrl: string
}

/** What a replica says of itself at a handshake besides its {@link Identity}: what may change while it runs. */
export interface Standing {
  readonly start: Start
  /** The number of the journal value that holds this start: everything before it was found on the disk. */
  readonly journal: number
  /** The hash of all members' incarnations, 32 hexadecimal digits; null while not all are known, durably. */
  readonly clusterId: string | null
  /** Every member has written down all members, so this one takes part (protocol.md §9). */
  readonly founded: boolean
}

/** All that a replica says of itself when a link begins. */
export interface Claim extends Identity, Standing {}

/**
 * Why a peer would not link.
 * - `cluster`: another cluster's name · `foreign`: another cluster, by its id
 * - `amnesiac`: it knows this row with another incarnation, so this directory lacks votes
 * - `copy`: it knows a later start of this directory, or what this directory lacks
 */
export type Refusal = 'version' | 'cluster' | 'replicas' | 'row' | 'secret' | 'foreign' | 'amnesiac' | 'copy'

/** May a peer link? `again`: it may, but is of no use yet; it is dialled again. Only who dialled is told so. */
export type Verdict = 'yes' | 'again' | Refusal

export interface TransportHandlers {
  /**
   * `bytes` are valid only until this returns: copy what must live. Frames come only from admitted peers. Returns false where the frame is
   * damaged: the link that brought it is closed, so that the peer notices the hole in the stream and dials a new one.
   */
  frame(from: number, bytes: Uint8Array): boolean
  /** What this replica says of itself now. */
  standing(): Standing
  /**
   * A peer that is otherwise acceptable wants to link, in either direction: may it, with what it claims? `dialled`: it was dialled, and its
   * claim is its welcome. Resolves after what must be known of it is written down, durably (protocol.md §9).
   */
  admit(peer: number, claim: Claim, dialled: boolean): Promise<Verdict>
  /** Frames to the peer leave from now on. */
  up(peer: number, identity: Identity): void
  /** The link is closed: reported once for each `up`. */
  down(peer: number): void
  /** The peer refused this replica, and named its own cluster's id; the transport goes on trying, with backoff. */
  refused(peer: number, reason: Refusal, clusterId: string | null): void
  /** Something arrived that was dropped (malformed, too large, unauthenticated): for a counter and the log. */
  dropped(what: string): void
}

export interface Transport {
  /** Starts listening and dialling. Rejects where the address cannot be listened on. */
  start(handlers: TransportHandlers): Promise<void>
  /** Sends one frame; the bytes must not change afterwards. False when there is no link, or it was closed for being behind. */
  send(peer: number, frame: Uint8Array): boolean
  /** Bytes accepted by {@link send} and not yet handed to the operating system. */
  buffered(peer: number): number
  /**
   * Ends the links with the peer that are up, in both directions: not a frame more is heard on them. Links that are being made are left
   * alone.
   */
  drop(peer: number): void
  close(): Promise<void>
}

/** A link this far behind, in bytes, is closed: the peer asks for what it missed when it is back. */
export const MAX_BACKPRESSURE_BYTES = 64 << 20
