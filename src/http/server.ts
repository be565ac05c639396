import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { PortNumbers } from '../metrics/numbers.ts'
import type { Logger } from '../node/logger.ts'
import { SILENT } from '../node/logger.ts'
import type { Requests } from '../node/requests.ts'
import { MEANINGS } from '../outcomes.ts'
import { Strangers } from '../transport/strangers.ts'
import { WsLinks } from '../transport/ws-links.ts'
import { Access } from './access.ts'
import { CLIENT_LINKS, ClientLinks } from './client-links.ts'
import { type Failure, HttpConnection } from './connection.ts'
import { BadRequest, NO_WEBSOCKET, readHead } from './head.ts'
import { listen } from './listen.ts'
import { Routes } from './routes.ts'

/** The path at which clients open WebSockets. */
export const CLIENT_PATH = '/client'

/** All header lines of a request together; beyond this: 431. */
export const MAX_HEADER_BYTES = 16 << 10

/** The time limit for the header lines of a request, and for the whole request with its body. */
export const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 60_000

/**
 * An idle connection is kept longer than the 60 s of common proxies: the side that closes first must not be the one
 * that gets the request.
 */
const KEEP_ALIVE_MS = 75_000

/** Refused connections whose answer is not read yet, besides the open connections. */
const MAX_REFUSED = 8

/** The interval between log lines about a lack of connections. */
const WARNING_INTERVAL_MS = 10_000

/** How often the limits are checked. */
const CHECK_MS = 1000

/**
 * Connections that have neither requested anything that they may, nor proved themselves over the WebSocket. Beyond this
 * number the oldest is closed.
 */
export const MAX_STRANGERS = 256

/** A connection in a crowd has this much time for its request. */
const STRANGER_GRACE_MS = 250

export interface ServeOptions {
  /** Where to listen; port 0 lets the system choose. */
  readonly host: string
  readonly port: number
  /** The secret that clients must know: bytes, or a string, which is encoded as UTF-8. Absent or null for none. */
  readonly secret?: Uint8Array | string | null
  /** Origins of pages that may use the port besides its own, e.g. `https://example.org`. */
  readonly allowedOrigins?: readonly string[]
  /**
   * The maximum number of open connections. Beyond it, strangers and then idle connections make room, or the new one is
   * refused. No limit if absent.
   */
  readonly maxConnections?: number
  readonly logger?: Logger
}

export interface ClientServer {
  readonly port: number
  /** Closes the port and every connection. Close the replica first, so that what is in flight is answered. */
  close(): Promise<void>
}

/**
 * Serves a replica to clients: HTTP and the WebSocket of the client library on one port. The replica may still be
 * replaying its journal: until it is ready all client work is refused. Rejects with an `EpaxosError` with code
 * `configuration`.
 */
export async function serveClients(replica: Requests, options: ServeOptions): Promise<ClientServer> {
  const server = new ClientPort(replica, options)
  const port = await server.listen()
  return { port, close: () => server.close() }
}

/** When the port closes, what was sent and is in flight gets this much time. */
const CLOSE_MS = 200

/** Node's own parser reads plain HTTP; `ws` takes over the requests for the clients' WebSocket. */
class ClientPort {
  readonly #options: ServeOptions
  readonly #replica: Requests
  readonly #access: Access
  readonly #links: ClientLinks
  readonly #wsLinks: WsLinks
  readonly #routes: Routes
  readonly #server: Server
  readonly #logger: Logger
  readonly #connections = new Map<Socket, HttpConnection>()
  readonly #strangers: Strangers<Socket>
  #endFlush: () => void = () => {}
  /** Connections beyond the limit that no log line has reported yet, and the time of the last log line. */
  #beyondLimit = 0
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor(replica: Requests, options: ServeOptions) {
    const { host, allowedOrigins = [], logger = SILENT } = options
    const secret =
      typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : (options.secret ?? null)
    this.#options = options
    this.#replica = replica
    this.#logger = logger
    this.#access = new Access({ host, secret, allowedOrigins, clientUrl: replica.clientUrl })
    this.#links = new ClientLinks(replica, secret, logger)
    this.#wsLinks = new WsLinks(CLIENT_LINKS, (connection) => this.#strangers.delete(connection))
    this.#routes = new Routes(replica, this.#access, () => this.#numbers(), logger)
    this.#strangers = new Strangers({
      limit: MAX_STRANGERS,
      graceMs: STRANGER_GRACE_MS,
      evict: (connection) => connection.destroy(),
    })
    this.#server = this.#createServer()
  }

  async listen(): Promise<number> {
    const { host, port: wanted } = this.#options
    const port = await listen(this.#server, { host, port: wanted })
    this.#server.on('error', (error) => this.#logger.warn({ error: error.message }, 'a connection was not taken'))
    this.#access.listening(port)
    this.#endFlush = this.#replica.onTurn(() => this.#links.flush())
    return port
  }

  async close(): Promise<void> {
    this.#endFlush()
    this.#links.close()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#closeAll(), CLOSE_MS)
    await closed
    clearTimeout(timer)
    this.#strangers.close()
  }

  #numbers(): PortNumbers {
    const { links: clientLinks, dropped: clientsDropped } = this.#links
    return { connections: this.#connections.size, clientLinks, clientsDropped }
  }

  #closeAll(): void {
    this.#wsLinks.close()
    for (const connection of [...this.#connections.keys()]) connection.destroy()
  }

  #createServer(): Server {
    const server = createServer({
      insecureHTTPParser: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
      // We answer this ourselves, with a reason.
      requireHostHeader: false,
      noDelay: true,
    })
    // The parser would silently drop lines beyond its limit; head.ts counts them.
    server.maxHeadersCount = 0
    const { maxConnections } = this.#options
    if (maxConnections !== undefined) server.maxConnections = maxConnections + MAX_REFUSED
    server.on('drop', () => this.#warnOfLimit())
    // A client that has announced the end of its data still waits for the answer.
    Object.assign(server, { httpAllowHalfOpen: true })
    server.on('connection', (socket) => this.#onConnection(socket))
    server.on('request', (request, response) => this.#onRequest(request, response, false))
    server.on('checkContinue', (request, response) => this.#onRequest(request, response, true))
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response, false))
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as Socket, head))
    server.on('connect', (_, socket) => this.#connectionOf(socket as Socket).fail(NO_TUNNEL))
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket))
    return server
  }

  #onConnection(socket: Socket): void {
    if (this.#connections.has(socket)) return
    const connection = new HttpConnection(socket)
    this.#connections.set(socket, connection)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#connections.delete(socket)
      this.#strangers.delete(socket)
    })
    const isFull = this.#connections.size > (this.#options.maxConnections ?? Number.POSITIVE_INFINITY)
    if (isFull) this.#warnOfLimit()
    if (isFull && !this.#makeRoom()) connection.fail(NO_ROOM)
    else this.#strangers.add(socket, socket.remoteAddress ?? '')
  }

  #warnOfLimit(): void {
    this.#beyondLimit++
    if (performance.now() - this.#warnedAtMs < WARNING_INTERVAL_MS) return
    const { maxConnections } = this.#options
    const fields = { maxConnections, beyond: this.#beyondLimit }
    this.#logger.warn(fields, 'clients open more connections than fit: idle ones are closed, new ones refused')
    this.#warnedAtMs = performance.now()
    this.#beyondLimit = 0
  }

  /** Closes a connection that has not requested anything, or else one without a request at present. */
  #makeRoom(): boolean {
    if (this.#strangers.evictOne()) return true
    const before = this.#connections.size
    this.#server.closeIdleConnections()
    return this.#connections.size < before
  }

  #connectionOf(socket: Socket): HttpConnection {
    return this.#connections.get(socket) as HttpConnection
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expected: boolean): void {
    const { socket } = request
    const connection = this.#connectionOf(socket)
    connection.take(request, response, () => {
      const admitted = () => this.#strangers.delete(socket)
      this.#routes.handle(request, response, connection, { expected, admitted })
    })
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const connection = this.#connectionOf(socket)
    try {
      if (connection.ended) return
      if (connection.busy) throw new BadRequest(400, ErrorCode.malformed, 'an upgrade waits for the answers before it')
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') return this.#decline(request, socket, head)
      const { path, host, origin, hasBody } = readHead(request)
      if (path !== CLIENT_PATH || hasBody) throw new BadRequest(...NO_WEBSOCKET)
      this.#access.checkOrigin(origin, host)
      const problem = this.#wsLinks.accept(request, socket, head, (link) => this.#links.opened(link))
      if (problem !== null) throw new BadRequest(400, ErrorCode.malformed, problem)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      const { code, message } = error
      connection.fail({ code, message, status: error instanceof BadRequest ? error.status : MEANINGS[code].status })
    }
  }

  /**
   * The client offers another protocol (many clients offer HTTP/2). Answering the request as it is declines the offer.
   * Node's server has already given the connection up, so it gets it again, with the request but without the offer.
   */
  #decline(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { method, url, httpVersion, rawHeaders } = request
    const lines = [`${method} ${url} HTTP/${httpVersion}`]
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      if (!/^(?:upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[i + 1]}`)
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    this.#server.emit('connection', socket)
  }

  /** For what the parser cannot read, and what does not arrive in time. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined || error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else connection.fail(FAILURES[error.code ?? ''] ?? NO_HTTP)
  }
}

const NO_HTTP: Failure = { status: 400, code: ErrorCode.malformed, message: 'this is no HTTP request' }
const NO_TUNNEL: Failure = { status: 405, code: ErrorCode.methodNotAllowed, message: 'there are no tunnels here' }
const NO_ROOM: Failure = { status: 503, code: ErrorCode.busy, message: 'too many connections are open' }

const FAILURES: Readonly<Record<string, Failure>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: ErrorCode.tooLarge,
    message: `the lines of a request have at most ${MAX_HEADER_BYTES} bytes`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, code: ErrorCode.tooLarge, message: 'too many chunk extensions' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: ErrorCode.malformed, message: 'the request did not arrive in time' },
}
