import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
} from 'uWebSockets.js'
import { descriptorsAreOut, descriptorsForStrangers } from '../system/limits.ts'
import {
  cannotListen,
  type LinkEvents,
  type LinkServer,
  type LinkServerHandlers,
  type LinkServerOptions,
  type LinkSocket,
} from './link-server.ts'
import { type Address, printed } from './links.ts'
import { NodeServer } from './node-server.ts'
import { Strangers } from './strangers.ts'
import type { UWebSockets } from './uws.ts'

/**
 * A plain listen shares its port with any other process that asks for it; every connection would then go to one of the
 * two.
 */
const EXCLUSIVE = 1

/**
 * Connections that have not asked for a link yet. The library closes each after 10 s, and does not report which is the
 * oldest. Beyond this number the new one is closed, and another server takes over the port. Without descriptors the
 * library would spin.
 */
export const MAX_ASKING = 1024

/** The pause before the next try to take over the port. */
const TAKE_OVER_MS = 100

/** How often descriptors are looked for. */
const DESCRIPTOR_CHECK_MS = 100

/** The real `listen`; the declarations lack this form. */
type Listen = (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void

interface Listening {
  readonly socket: us_listen_socket
  readonly address: Address
}

/**
 * What the library returns with each event. It copies the fields of the object that it gets, so a link is one of the
 * fields.
 */
interface Carrier {
  readonly link: UwsLink
}

/** A link of uWebSockets.js. It knows its socket only while that is open: touching a closed socket throws. */
class UwsLink implements LinkSocket {
  readonly remoteAddress: string
  socket: WebSocket<Carrier> | null = null
  events: LinkEvents | null = null
  readonly #strangers: Strangers<UwsLink>

  constructor(remoteAddress: string, strangers: Strangers<UwsLink>) {
    this.remoteAddress = remoteAddress
    this.#strangers = strangers
  }

  get bufferedBytes(): number {
    return this.socket?.getBufferedAmount() ?? 0
  }

  /** If the server cannot accept the bytes, it closes the link by itself (`closeOnBackpressureLimit`). */
  send(message: string | Uint8Array): void {
    this.socket?.send(message, typeof message !== 'string')
  }

  ping(): void {
    this.socket?.ping()
  }

  settle(): void {
    this.#strangers.delete(this)
  }

  end(code: number): void {
    this.#leave()?.end(code)
  }

  close(): void {
    this.#leave()?.close()
  }

  /** From here on nothing of the link is reported, and its socket is not touched. */
  #leave(): WebSocket<Carrier> | null {
    const { socket } = this
    this.socket = null
    this.events = null
    this.#strangers.delete(this)
    return socket
  }
}

/**
 * Links over uWebSockets.js. The library's own answers (505 to a request line in two packets) come before anything
 * runs, and a dialler that gets one dials again. Connections that ask for nothing cannot be seen one by one: the
 * library closes them after 10 s. If there are too many of them, a {@link NodeServer}, which sees them, takes over the
 * port. It does so as well when the process has no descriptor left: the library would spin on the connections that it
 * cannot accept.
 */
export class UwsServer implements LinkServer {
  readonly #uws: typeof UWebSockets
  readonly #options: LinkServerOptions
  readonly #handlers: LinkServerHandlers
  readonly #app: TemplatedApp
  readonly #strangers: Strangers<UwsLink>
  readonly #maxAsking = descriptorsForStrangers(MAX_ASKING)
  #asking = 0
  #closed = false
  /** Null before the port is open, and after another server took it over. */
  #listening: Listening | null = null
  #successor: NodeServer | null = null
  #descriptorCheck: NodeJS.Timeout | undefined
  /** Requests that were answered and reported, and whose connections have not closed yet. */
  #answered = 0

  constructor(uws: typeof UWebSockets, options: LinkServerOptions, handlers: LinkServerHandlers) {
    this.#uws = uws
    this.#options = options
    this.#handlers = handlers
    this.#strangers = new Strangers({
      limit: options.maxStrangers,
      graceMs: 0,
      evict: (link) => {
        const { events } = link
        link.close()
        events?.closed('its place was needed')
      },
    })
    this.#app = uws.App()
    this.#app.filter((response, change) => this.#onConnection(response, Number(change)))
    this.#app.ws<Carrier>(options.path, {
      maxPayloadLength: options.maxMessageBytes,
      maxBackpressure: options.maxUnsentBytes,
      closeOnBackpressureLimit: 1,
      idleTimeout: options.silentMs / 1000,
      sendPingsAutomatically: options.pings,
      upgrade: (response, request, context) => this.#onUpgrade(response, request, context),
      open: (socket) => this.#onOpen(socket),
      message: (socket, bytes, binary) => socket.getUserData().link.events?.message(new Uint8Array(bytes), binary),
      drain: (socket) => socket.getUserData().link.events?.drained?.(),
      close: (socket, _, reason) => this.#onClose(socket.getUserData().link, new TextDecoder().decode(reason)),
    })
    this.#app.any('/*', (response) => this.#reject(response, '404 Not Found', 'request that is no link'))
  }

  listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (socket: us_listen_socket | false) => {
        if (socket) {
          this.#listening = { socket, address }
          this.#descriptorCheck = setInterval(() => this.#checkDescriptors(), DESCRIPTOR_CHECK_MS).unref()
          return resolve()
        }
        this.close()
        reject(cannotListen(printed(address)))
      }
      const app = this.#app
      ;(app.listen as unknown as Listen).call(app, address.host, address.port, EXCLUSIVE, done)
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#listening = null
    clearInterval(this.#descriptorCheck)
    this.#app.close()
    this.#successor?.close()
    this.#strangers.close()
  }

  #checkDescriptors(): void {
    if (descriptorsAreOut()) this.#handOver('no descriptors are left')
  }

  /** The library could not take new connections, and among them those of peers. Links that are open stay. */
  #handOver(why: string): void {
    if (this.#listening === null) return
    const { socket, address } = this.#listening
    this.#listening = null
    clearInterval(this.#descriptorCheck)
    this.#uws.us_listen_socket_close(socket)
    this.#handlers.dropped(`${why}: the node server takes over the port`)
    void this.#takeOver(address)
  }

  async #takeOver(address: Address): Promise<void> {
    const successor = new NodeServer(this.#options, this.#handlers)
    try {
      await successor.listen(address)
      if (this.#closed) successor.close()
      else this.#successor = successor
    } catch (error) {
      if (this.#closed) return
      this.#handlers.dropped(`port that was not taken over: ${(error as Error).message}`)
      setTimeout(() => void this.#takeOver(address), TAKE_OVER_MS).unref()
    }
  }

  /** Counts only connections that never became links: an upgraded connection is not reported as closed. */
  #onConnection(response: HttpResponse, change: number): void {
    this.#asking += change
    if (this.#closed) return
    if (change > 0) {
      if (this.#asking <= this.#maxAsking) return
      this.#answered++
      this.#handlers.dropped('connection beyond the limit')
      response.close()
      setImmediate(() => this.#handOver('too many connections ask for nothing'))
      return
    }
    if (this.#answered > 0) this.#answered--
    else this.#handlers.dropped('connection that asked for nothing')
  }

  #reject(response: HttpResponse, status: string, why: string): void {
    this.#answered++
    this.#handlers.dropped(why)
    response.writeStatus(status).end('', true)
  }

  #onUpgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    // No replica sends an Origin; a browser always does, and a page must not reach a peer port through it.
    if (request.getHeader('origin') !== '') return this.#reject(response, '403 Forbidden', 'link from a browser')
    const address = new TextDecoder().decode(response.getRemoteAddressAsText())
    response.upgrade<Carrier>(
      { link: new UwsLink(address, this.#strangers) },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    )
  }

  #onOpen(socket: WebSocket<Carrier>): void {
    const { link } = socket.getUserData()
    this.#asking--
    link.socket = socket
    link.events = this.#handlers.opened(link)
    this.#strangers.add(link, link.remoteAddress)
  }

  #onClose(link: UwsLink, reason: string): void {
    const { events } = link
    link.socket = null
    link.events = null
    this.#strangers.delete(link)
    events?.closed(reason)
  }
}
