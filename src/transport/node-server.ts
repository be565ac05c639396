import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { cannotListen, type LinkServer, type LinkServerHandlers, type LinkServerOptions } from './link-server.ts'
import { type Address, printed } from './links.ts'
import { Strangers } from './strangers.ts'
import { WsLinks } from './ws-links.ts'

/** The opening of a link is far smaller. */
const MAX_HEADER_BYTES = 8 << 10

/** How often the time limit of requests is checked. */
const CHECK_MS = 500

/**
 * Links over `node:http` and `ws`. Each connection is a stranger from its first moment until its link has shown who it
 * is.
 */
export class NodeServer implements LinkServer {
  readonly #options: LinkServerOptions
  readonly #handlers: LinkServerHandlers
  readonly #server: Server
  readonly #links: WsLinks
  readonly #strangers: Strangers<Socket>
  /** Connections whose request was answered, or whose end is reported elsewhere. */
  readonly #reported = new WeakSet<Socket>()
  #closed = false

  constructor(options: LinkServerOptions, handlers: LinkServerHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#strangers = new Strangers({
      limit: options.maxStrangers,
      graceMs: 0,
      evict: (connection) => connection.destroy(),
    })
    this.#links = new WsLinks(options, (connection) => this.#strangers.delete(connection))
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: options.requestMs,
      requestTimeout: options.requestMs,
      connectionsCheckingInterval: CHECK_MS,
      insecureHTTPParser: false,
      noDelay: true,
    })
    this.#server.on('connection', (connection) => this.#onConnection(connection))
    this.#server.on('request', (request, response) => this.#onRequest(request, response))
    this.#server.on('upgrade', (request, connection, head) => this.#onUpgrade(request, connection as Socket, head))
    this.#server.on('clientError', (_, connection) => this.#refuse(connection as Socket, '400 Bad Request'))
  }

  listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', () => {
        this.close()
        reject(cannotListen(printed(address)))
      })
      this.#server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
        this.#server.removeAllListeners('error')
        // Running out of descriptors is no reason to end: what is open goes on.
        this.#server.on('error', (error) => this.#handlers.dropped(`connection that was not taken: ${error.message}`))
        resolve()
      })
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#server.close()
    this.#links.close()
    this.#server.closeAllConnections()
    this.#strangers.close()
  }

  #onConnection(connection: Socket): void {
    this.#strangers.add(connection, connection.remoteAddress ?? '')
    connection.once('close', () => {
      this.#strangers.delete(connection)
      if (!this.#reported.has(connection)) this.#drop('connection that asked for nothing')
    })
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#reported.has(request.socket)) return
    this.#reported.add(request.socket)
    this.#drop('request that is no link')
    response.writeHead(404, { Connection: 'close', 'Content-Length': 0 }).end()
  }

  #onUpgrade(request: IncomingMessage, connection: Socket, head: Buffer): void {
    if (this.#reported.has(connection)) return
    this.#reported.add(connection)
    connection.on('error', () => {})
    if (request.url !== this.#options.path) {
      this.#drop('request that is no link')
      return this.#refuse(connection, '404 Not Found')
    }
    // No replica sends an Origin; a browser always does, and a page must not reach a peer port through it.
    if (request.headers.origin !== undefined) {
      this.#drop('link from a browser')
      return this.#refuse(connection, '403 Forbidden')
    }
    const problem = this.#links.accept(request, connection, head, (socket) => this.#handlers.opened(socket))
    if (problem === null) return
    this.#drop('request that is no link')
    this.#refuse(connection, '400 Bad Request')
  }

  #refuse(connection: Socket, status: string): void {
    if (connection.writable) connection.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    setImmediate(() => connection.destroy())
  }

  #drop(why: string): void {
    if (!this.#closed) this.#handlers.dropped(why)
  }
}
