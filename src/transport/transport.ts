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

/** Why a peer would not link. `amnesiac`: it knows this row with another incarnation. */
export type Refusal = 'version' | 'cluster' | 'replicas' | 'row' | 'secret' | 'amnesiac'

export interface TransportHandlers {
  /**
   * `bytes` are valid only until this returns: copy what must live. Frames come only from admitted peers. Returns false where the frame is
   * damaged: the link that brought it is closed, so that the peer notices the hole in the stream and dials a new one.
   */
  frame(from: number, bytes: Uint8Array): boolean
  /**
   * A peer that is otherwise acceptable wants to link, in either direction: may it, with this incarnation? Resolves after the incarnation
   * has been written down, durably, at first contact (protocol.md §9).
   */
  admit(peer: number, incarnation: Uint8Array): Promise<boolean>
  /** Frames to the peer leave from now on. */
  up(peer: number, identity: Identity): void
  /** The link is closed: reported once for each `up`. */
  down(peer: number): void
  /** The peer refused this replica; the transport goes on trying, with backoff. */
  refused(peer: number, reason: Refusal): void
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
  close(): Promise<void>
}

/** A link this far behind, in bytes, is closed: the peer asks for what it missed when it is back. */
export const MAX_BACKPRESSURE_BYTES = 64 << 20
