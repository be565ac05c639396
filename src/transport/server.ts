import { EpaxosError } from '../errors.ts'
import type { Address } from './links.ts'
import { loadUWebSockets, type UWebSockets } from './uws.ts'

/** What serves the peer port: uWebSockets.js, or `node:http` with `ws`, which runs wherever Node runs. */
export type ServerKind = 'uws' | 'node'

/**
 * One accepted WebSocket. All methods may be called at any time: on a socket that is closed they do nothing.
 */
export interface LinkSocket {
  /** The other side's address, for limits; empty where it is not known. */
  readonly remoteAddress: string
  /** Bytes that the system has not taken. */
  readonly bufferedBytes: number
  /** Sends a text or a binary message, which must not change afterwards. Closes the link when too much is not taken. */
  send(message: string | Uint8Array): void
  ping(): void
  /** The other side has shown who it is: the link is no stranger any more. */
  settle(): void
  /** Closes after what was sent, with a WebSocket status code. */
  end(code: number): void
  /** Closes at once. */
  close(): void
}

/** What becomes of one link. Nothing is reported after `closed`, nor after this side called `end` or `close`. */
export interface LinkEvents {
  /** `bytes` are valid only until this returns, and begin at any offset of their buffer. */
  message(bytes: Uint8Array, binary: boolean): void
  /** The system has taken what was buffered. */
  drained?(): void
  /** @param reason what was wrong, or what the other side gave as its reason; often empty */
  closed(reason: string): void
}

export interface LinkOptions {
  /** The longest message that is taken. */
  readonly maxMessageBytes: number
  /** A link that has more than this to send, and is not taken, is closed. */
  readonly maxUnsentBytes: number
  /** A link without a byte for so long is closed. uWebSockets takes 8 s or more. */
  readonly silentMs: number
  /** Whether a silent link is pinged before. */
  readonly pings: boolean
}

export interface LinkServerOptions extends LinkOptions {
  /** The only path on which links open. */
  readonly path: string
  /** Links, and as far as the server can see them connections, that have not shown who they are: beyond, the oldest goes. */
  readonly maxStrangers: number
  /** A connection has so long to ask for its link. */
  readonly requestMs: number
}

export interface LinkServerHandlers {
  opened(socket: LinkSocket): LinkEvents
  /** Somebody was turned away before there was a link. */
  dropped(why: string): void
}

/** A port that accepts links and nothing else. Browsers, which send an `Origin`, are turned away. */
export interface LinkServer {
  /** Rejects with an `EpaxosError` with code `configuration` where the address cannot be listened on. */
  listen(address: Address): Promise<void>
  /** Closes the port, and at once all links, which are reported as closed. */
  close(): void
}

/** A server that this process can run, and why it is the one. */
export interface ChosenServer {
  readonly kind: ServerKind
  /** Why the first choice does not run here; empty where it does, or was not asked for. */
  readonly reason: string
  open(options: LinkServerOptions, handlers: LinkServerHandlers): LinkServer
}

/**
 * Chooses the server: the wanted one, or by itself uWebSockets.js where its binary loads. Each is loaded late: the other need not load.
 * Rejects with an `EpaxosError` with code `unsupported_platform` where uWebSockets.js is wanted and does not load.
 */
export async function chooseServer(wanted: ServerKind | null, load = loadUWebSockets): Promise<ChosenServer> {
  if (wanted === 'node') return nodeServer('')
  try {
    return await uwsServer(await load())
  } catch (error) {
    if (wanted === 'uws' || !(error instanceof EpaxosError)) throw error
    return nodeServer(error.message)
  }
}

async function uwsServer(uws: typeof UWebSockets): Promise<ChosenServer> {
  const { UwsServer } = await import('./uws-server.ts')
  return { kind: 'uws', reason: '', open: (options, handlers) => new UwsServer(uws, options, handlers) }
}

async function nodeServer(reason: string): Promise<ChosenServer> {
  const { NodeServer } = await import('./node-server.ts')
  return { kind: 'node', reason, open: (options, handlers) => new NodeServer(options, handlers) }
}

export function cannotListen(printed: string): EpaxosError {
  const why = `cannot listen on ${printed}: in use, not allowed, or not an address of this machine`
  return new EpaxosError('configuration', why)
}
