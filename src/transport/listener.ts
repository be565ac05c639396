import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js'
import { EpaxosError } from '../errors.ts'
import { refusalOfDialler } from './admission.ts'
import type { Schedule } from './backoff.ts'
import {
  challengeText,
  type ForeignHello,
  type Hello,
  helloIsProved,
  type Nonces,
  newNonce,
  readHello,
  refusalText,
  welcomeText,
} from './handshake.ts'
import { type Address, HANDSHAKE_TIMEOUT_MS, PEER_PATH, PING_INTERVAL_MS, printed } from './links.ts'
import { type Identity, MAX_FRAME_BYTES, type Refusal, type TransportHandlers } from './transport.ts'
import { loadUWebSockets } from './uws.ts'

/** Links that may be open without being admitted: each can hold one unfinished frame, so their number bounds that memory. */
export const MAX_STRANGERS = 64

/** The accepting side sends only the handshake, pings and pongs: what a peer does not take beyond this is not kept. */
const MAX_ANSWER_BACKPRESSURE_BYTES = 64 << 10

/** A link without a byte is closed; the dialler pings far more often. The server allows 0 or ≥ 8. */
const SILENT_LINK_SECONDS = 8

export interface ListenerHandlers extends Pick<TransportHandlers, 'frame' | 'admit' | 'dropped'> {
  /** A peer was admitted, so it is there: dial it now. */
  admitted(peer: number): void
}

/** An incoming link. It knows its own socket only while that is open: touching a closed one throws. */
interface IncomingLink {
  /** Rises with every link: of two from one peer the newer stays. */
  readonly serial: number
  readonly challenge: string
  socket: WebSocket<IncomingLink> | null
  stage: 'challenged' | 'admitting' | 'admitted'
  /** The admitted dialler, or −1. */
  peer: number
  cancelTimeout: () => void
}

/** Accepts the links that peers dial, and takes frames from those that were admitted. */
export class Listener {
  readonly #identity: Identity
  readonly #secret: Uint8Array | null
  readonly #schedule: Schedule
  readonly #handlers: ListenerHandlers
  readonly #admitted = new Map<number, IncomingLink>()
  #app: TemplatedApp | null = null
  #cancelPings: (() => void) | null = null
  #serial = 0
  #strangers = 0
  /** Requests that were answered and reported, whose connections have not closed yet. */
  #answered = 0

  constructor(identity: Identity, secret: Uint8Array | null, schedule: Schedule, handlers: ListenerHandlers) {
    this.#identity = identity
    this.#secret = secret
    this.#schedule = schedule
    this.#handlers = handlers
  }

  /** Rejects with code `configuration` where the address cannot be listened on, `unsupported_platform` without a binary. */
  async listen(address: Address): Promise<void> {
    const uws = await loadUWebSockets()
    const app = uws.App()
    app.filter((_, change) => this.#onConnection(Number(change)))
    app.ws<IncomingLink>(PEER_PATH, {
      maxPayloadLength: MAX_FRAME_BYTES,
      maxBackpressure: MAX_ANSWER_BACKPRESSURE_BYTES,
      closeOnBackpressureLimit: 1,
      idleTimeout: SILENT_LINK_SECONDS,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) => this.#onUpgrade(response, request, context),
      open: (socket) => this.#onOpen(socket),
      message: (socket, bytes, binary) => this.#onMessage(socket.getUserData(), new Uint8Array(bytes), binary),
      close: (socket, _, reason) => this.#onClose(socket.getUserData(), new TextDecoder().decode(reason)),
    })
    app.any('/*', (response) => this.#onStrayRequest(response))
    await bind(app, address)
    this.#app = app
  }

  /** Closes the port and every incoming link. */
  close(): void {
    const app = this.#app
    this.#app = null
    this.#cancelPings?.()
    this.#cancelPings = null
    app?.close()
  }

  /** Diallers whose own pings wait behind a backlog hear these. */
  #pingLater(): void {
    this.#cancelPings = this.#schedule(PING_INTERVAL_MS, () => {
      this.#cancelPings = null
      for (const link of this.#admitted.values()) link.socket?.ping()
      if (this.#admitted.size > 0) this.#pingLater()
    })
  }

  /** Counts only connections that never became links: an upgraded one is not reported as closed. */
  #onConnection(change: number): void {
    if (change > 0 || this.#app === null) return
    if (this.#answered > 0) this.#answered--
    else this.#handlers.dropped('connection that asked for nothing')
  }

  #onStrayRequest(response: HttpResponse): void {
    this.#reject(response, '404 Not Found', 'request that is no link')
  }

  #reject(response: HttpResponse, status: string, why: string): void {
    this.#answered++
    this.#handlers.dropped(why)
    response.writeStatus(status).end('', true)
  }

  #onUpgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    // No replica sends an origin; a browser always does, and a page must not reach a peer port through it.
    if (request.getHeader('origin') !== '') this.#reject(response, '403 Forbidden', 'link from a browser')
    else if (this.#strangers >= MAX_STRANGERS) this.#reject(response, '503 Busy', 'link beyond the limit of strangers')
    else this.#upgrade(response, request, context)
  }

  #upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    this.#strangers++
    const link: IncomingLink = {
      serial: ++this.#serial,
      challenge: newNonce(),
      socket: null,
      stage: 'challenged',
      peer: -1,
      cancelTimeout: () => {},
    }
    response.upgrade(
      link,
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    )
  }

  #onOpen(socket: WebSocket<IncomingLink>): void {
    const link = socket.getUserData()
    link.socket = socket
    link.cancelTimeout = this.#schedule(HANDSHAKE_TIMEOUT_MS, () => this.#drop(link, 'link without a hello'))
    socket.send(challengeText(link.challenge))
  }

  #onMessage(link: IncomingLink, bytes: Uint8Array, binary: boolean): void {
    if (link.stage === 'admitted' && binary) {
      if (!this.#handlers.frame(link.peer, bytes)) this.#hangUp(link)
    } else if (link.stage === 'admitted') this.#drop(link, `text from replica ${link.peer} after its hello`)
    else if (link.stage === 'admitting') this.#drop(link, 'message before the welcome')
    else if (binary) this.#drop(link, 'frame before the hello')
    else this.#onHello(link, bytes)
  }

  #onHello(link: IncomingLink, bytes: Uint8Array): void {
    link.cancelTimeout()
    try {
      const hello = readHello(bytes)
      const { nonces, refusal } = this.#judge(link, hello)
      if (refusal !== null) this.#refuse(link, refusal, nonces)
      else void this.#admit(link, hello as Hello, nonces)
    } catch (error) {
      this.#drop(link, (error as Error).message)
    }
  }

  /** The order of the reasons: version, cluster, replicas, row, secret; the incarnation comes last, in {@link #admit}. */
  #judge(link: IncomingLink, hello: Hello | ForeignHello): { nonces: Nonces; refusal: Refusal | null } {
    const { challenge } = link
    if (hello.type === 'foreign') return { nonces: { challenge, hello: '' }, refusal: 'version' }
    const unproved = helloIsProved(hello, challenge, this.#secret) ? null : 'secret'
    const refusal = refusalOfDialler(this.#identity, hello, hello.to) ?? unproved
    return { nonces: { challenge, hello: hello.nonce }, refusal }
  }

  async #admit(link: IncomingLink, hello: Hello, nonces: Nonces): Promise<void> {
    link.stage = 'admitting'
    try {
      const may = await this.#handlers.admit(hello.id, hello.incarnation)
      if (may) this.#welcome(link, hello.id, nonces)
      else this.#refuse(link, 'amnesiac', nonces)
    } catch (error) {
      this.#drop(link, `replica ${hello.id} could not be admitted: ${(error as Error).message}`)
    }
  }

  #welcome(link: IncomingLink, peer: number, nonces: Nonces): void {
    if (link.socket === null) return
    const other = this.#admitted.get(peer)
    if (other !== undefined && other.serial > link.serial) {
      this.#hangUp(link)
      return
    }
    if (other !== undefined) this.#hangUp(other)
    link.stage = 'admitted'
    link.peer = peer
    this.#strangers--
    this.#admitted.set(peer, link)
    if (this.#cancelPings === null) this.#pingLater()
    link.socket.send(welcomeText(this.#identity, peer, nonces, this.#secret))
    this.#handlers.admitted(peer)
  }

  #refuse(link: IncomingLink, reason: Refusal, nonces: Nonces): void {
    if (link.socket === null) return
    this.#handlers.dropped(`link refused: ${reason}`)
    link.socket.send(refusalText(reason, nonces, this.#secret))
    // Sending closes a link whose answers are not taken.
    const socket = link.socket as IncomingLink['socket']
    this.#forget(link)
    socket?.end(1000)
  }

  #drop(link: IncomingLink, why: string): void {
    if (link.socket === null) return
    this.#handlers.dropped(why)
    this.#hangUp(link)
  }

  #hangUp(link: IncomingLink): void {
    const socket = link.socket
    this.#forget(link)
    socket?.close()
  }

  #onClose(link: IncomingLink, reason: string): void {
    if (link.socket === null) return
    const { stage, peer } = link
    this.#forget(link)
    // The server itself closes what breaks WebSocket's rules, and says why.
    if (reason !== '' && stage === 'admitted') this.#handlers.dropped(`link from replica ${peer}: ${reason}`)
    else if (stage === 'challenged' && this.#app !== null) this.#handlers.dropped(`link without a hello: ${reason}`)
  }

  /** From here on the link's socket is not touched, and nothing more of it is reported. */
  #forget(link: IncomingLink): void {
    if (link.socket === null) return
    link.socket = null
    link.cancelTimeout()
    if (link.stage !== 'admitted') this.#strangers--
    else if (this.#admitted.get(link.peer) === link) this.#admitted.delete(link.peer)
  }
}

/** A plain listen shares its port with any other process that asks for it: every connection would then go to one of the two. */
const EXCLUSIVE = 1

/** `listen` as it is; the declarations lack this form. */
type Listen = (host: string, port: number, options: number, done: (socket: unknown) => void) => void

function bind(app: TemplatedApp, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (socket: unknown) => {
      if (socket) return resolve()
      app.close()
      const why = `cannot listen on ${printed(address)}: in use, not allowed, or not an address of this machine`
      reject(new EpaxosError('configuration', why))
    }
    ;(app.listen as unknown as Listen).call(app, address.host, address.port, EXCLUSIVE, done)
  })
}
