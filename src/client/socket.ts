import { MAX_FRAME_BYTES } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { systemSchedule } from '../transport/backoff.ts'
import { type HostAddress, type NetLookup, netLookup, Resolver } from '../transport/resolver.ts'

/** The part of a WebSocket that the client uses: a browser's, or that of the package `ws`. */
export interface Socket {
  binaryType: string
  readonly bufferedAmount: number
  /** Node only: bytes that have arrived, including those of an incomplete message. */
  readonly bytesRead?: number
  send(bytes: Uint8Array): void
  close(): void
  /** Node only: closes at once, without waiting for the other side as {@link close} does. */
  terminate?(): void
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: (() => void) | null
  onerror: ((event: { readonly message?: string }) => void) | null
}

/** A mask of zeros: ws then sends the caller's bytes as they are, without a copy. */
const NODE_OPTIONS = {
  perMessageDeflate: false,
  skipUTF8Validation: true,
  followRedirects: false,
  maxPayload: MAX_FRAME_BYTES,
  generateMask: (mask: Uint8Array) => mask.fill(0, 0, 4),
} as const

/** Names of modules that bundlers for browsers do not follow. */
const NODE_PACKAGE = 'ws'
const NODE_NAMES = 'node:dns/promises'

/** For all clients of this process, in Node. */
let lookup: NetLookup | null = null

/**
 * Begins to open a WebSocket; its handlers learn the outcome. Rejects with code `unreachable` if that cannot even
 * begin.
 */
export async function openSocket(url: string): Promise<Socket> {
  try {
    const socket = await (isNode() ? nodeSocket(url) : (new WebSocket(url) as unknown as Socket))
    // ws returns its own buffers without a copy if asked to; browsers only have the other type.
    socket.binaryType = isNode() ? 'nodebuffer' : 'arraybuffer'
    return socket
  } catch (cause) {
    throw new EpaxosError(ErrorCode.unreachable, `no WebSocket to ${url}: ${(cause as Error).message}`, { cause })
  }
}

/** The bytes of a message; null for text. */
export function bytesOf(data: unknown): Uint8Array | null {
  if (data instanceof Uint8Array) return data
  return data instanceof ArrayBuffer ? new Uint8Array(data) : null
}

async function nodeSocket(url: string): Promise<Socket> {
  const { default: NodeWebSocket } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_PACKAGE)) as {
    default: new (url: string, options: object) => Socket
  }
  lookup ??= netLookup(new Resolver(await systemLookUp(), systemSchedule))
  const socket = new NodeWebSocket(url, { ...NODE_OPTIONS, lookup }) as Socket & {
    readonly _socket?: { readonly bytesRead: number }
  }
  return Object.defineProperty(socket, 'bytesRead', { get: () => socket._socket?.bytesRead ?? 0 })
}

async function systemLookUp(): Promise<(host: string) => Promise<HostAddress[]>> {
  const names = (await import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_NAMES)) as {
    lookup: (host: string, options: { all: true }) => Promise<HostAddress[]>
  }
  return (host) => names.lookup(host, { all: true })
}

function isNode(): boolean {
  return typeof process !== 'undefined' && typeof process.versions?.node === 'string'
}
