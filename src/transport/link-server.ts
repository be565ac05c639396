import { EpaxosError } from '../errors.ts'
import type { Address } from './links.ts'

/** One accepted WebSocket. All methods may be called at any time: on a closed socket they do nothing. */
export interface LinkSocket {
  /** The address of the other side, for limits; empty if unknown. */
  readonly remoteAddress: string
  /** Bytes that the system has not accepted yet. */
  readonly bufferedBytes: number
  /**
   * Sends a text or a binary message, which must not change afterwards. Closes the link if too many bytes are not
   * accepted.
   */
  send(message: string | Uint8Array): void
  ping(): void
  /** The other side has shown who it is: the link is no longer a stranger. */
  settle(): void
  /** Closes after everything sent, with a WebSocket status code. */
  end(code: number): void
  /** Closes at once. */
  close(): void
}

/** The events of one link. Nothing is reported after `closed`, nor after this side called `end` or `close`. */
export interface LinkEvents {
  /** `bytes` are valid only until this returns, and begin at any offset of their buffer. */
  message(bytes: Uint8Array, binary: boolean): void
  /** The system has accepted everything that was buffered. */
  drained?(): void
  /** @param reason what was wrong, or the reason of the other side; often empty */
  closed(reason: string): void
}

export interface LinkOptions {
  /** The longest message that is accepted. */
  readonly maxMessageBytes: number
  /** A link that has more unsent bytes than this is closed. */
  readonly maxUnsentBytes: number
  /** A link without a byte for this long is closed. uWebSockets requires 8 s or more. */
  readonly silentMs: number
  /** Whether a silent link is pinged first. */
  readonly pings: boolean
}

export interface LinkServerOptions extends LinkOptions {
  /** The only path on which links open. */
  readonly path: string
  /**
   * Links (and, as far as the server can see them, connections) that have not shown who they are; beyond this number
   * the oldest is closed.
   */
  readonly maxStrangers: number
  /** How long a connection may take to ask for its link. */
  readonly requestMs: number
}

export interface LinkServerHandlers {
  opened(socket: LinkSocket): LinkEvents
  /** A connection was turned away before it became a link. */
  dropped(why: string): void
}

/** A port that accepts links and nothing else. Browsers, which send an `Origin`, are turned away. */
export interface LinkServer {
  /** Rejects with an `EpaxosError` with code `configuration` if it cannot listen on the address. */
  listen(address: Address): Promise<void>
  /** Closes the port and at once all links, which are reported as closed. */
  close(): void
}

export function cannotListen(printed: string): EpaxosError {
  const why = `cannot listen on ${printed}: in use, not allowed, or not an address of this machine`
  return new EpaxosError('configuration', why)
}
