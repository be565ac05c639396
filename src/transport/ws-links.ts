import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import type { LinkEvents, LinkOptions, LinkSocket } from './link-server.ts'

/** What a stranger may send before it has shown who it is: more than any handshake, whatever its frames announce. */
export const MAX_STRANGER_BYTES = 64 << 10

/** How often a link is checked within the time in which it may be silent. */
const LOOKS = 4

/** The time that the other side has to answer the end of a link. */
const END_MS = 1000

const MESSAGE = { binary: true, compress: false } as const
const TEXT = { binary: false, compress: false } as const

/** A link of `ws`. It does not touch its socket once that is closed. */
class WsLink implements LinkSocket {
  readonly remoteAddress: string
  readonly #connection: Socket
  readonly #links: WsLinks
  #socket: WebSocket | null
  events: LinkEvents | null = null
  #bytesRead = 0
  #silentLooks = 0
  #error = ''

  constructor(socket: WebSocket, connection: Socket, links: WsLinks) {
    this.#socket = socket
    this.#connection = connection
    this.#links = links
    this.remoteAddress = connection.remoteAddress ?? ''
    socket.on('message', (data, binary) => this.events?.message(plain(data as Buffer), binary))
    socket.on('ping', (data) => this.#pong(data))
    socket.on('error', (error) => this.#onError(error))
    socket.on('close', (_, reason) => this.#onClose(reason.toString()))
    connection.on('drain', () => this.events?.drained?.())
    connection.on('data', this.#onStrangersData)
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  send(message: string | Uint8Array): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount + message.length > this.#links.options.maxUnsentBytes) return this.#cutOff()
    socket.send(message, typeof message === 'string' ? TEXT : MESSAGE)
  }

  ping(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.ping()
  }

  settle(): void {
    this.#connection.off('data', this.#onStrangersData)
    this.#links.settled(this.#connection)
  }

  end(code: number): void {
    const socket = this.#leave()
    if (socket === null) return
    socket.close(code)
    const timer = setTimeout(() => socket.terminate(), END_MS)
    socket.once('close', () => clearTimeout(timer))
  }

  close(): void {
    this.#leave()?.terminate()
  }

  /** Runs at each check: if nothing arrived since the last ones, pings; closes the link if that is not answered. */
  look(): void {
    const { bytesRead } = this.#connection
    this.#silentLooks = bytesRead === this.#bytesRead ? this.#silentLooks + 1 : 0
    this.#bytesRead = bytesRead
    if (this.#silentLooks > LOOKS) this.#cutOff()
    else if (this.#links.options.pings && this.#silentLooks >= LOOKS / 2) this.ping()
  }

  readonly #onStrangersData = () => {
    if (this.#connection.bytesRead <= MAX_STRANGER_BYTES) return
    this.#error ||= 'too much before it has shown who it is'
    this.#socket?.terminate()
  }

  /** A pong is an answer like any other: unsent bytes beyond the limit close the link. */
  #pong(data: Buffer): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount > this.#links.options.maxUnsentBytes) this.#cutOff()
    else socket.pong(data)
  }

  #onError(error: Error & { code?: string }): void {
    const tooBig = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
    this.#error = tooBig ? 'Received too big message' : error.message
    // ws has sent the close frame, and would wait for that of the other side.
    this.#socket?.terminate()
  }

  #onClose(reason: string): void {
    const { events } = this
    this.#leave()
    events?.closed(this.#error || reason)
  }

  /** `closed` is reported when the socket is gone. */
  #cutOff(): void {
    this.#socket?.terminate()
  }

  #leave(): WebSocket | null {
    const socket = this.#socket
    this.#socket = null
    this.events = null
    this.#links.left(this)
    return socket
  }
}

/** Not a Buffer: the `slice` of a Buffer does not copy. */
function plain({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Takes over connections that ask to become WebSockets, on any server of `node:http`. */
export class WsLinks {
  readonly options: LinkOptions
  readonly #links = new Set<WsLink>()
  readonly #server: WebSocketServer
  readonly #onSettled: (connection: Socket) => void
  #timer: NodeJS.Timeout | null = null
  #problem: string | null = null

  /** @param onSettled called when the link of a connection has shown who it is */
  constructor(options: LinkOptions, onSettled: (connection: Socket) => void) {
    this.options = options
    this.#onSettled = onSettled
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.maxMessageBytes,
    })
    this.#server.on('wsClientError', (error) => {
      this.#problem = error.message
    })
  }

  /**
   * Opens a link; `opened` is called at once. Otherwise returns what is wrong with the request, which the caller
   * answers. Only the standard WebSocket protocol is accepted: older ones name their origin elsewhere.
   */
  accept(
    request: IncomingMessage,
    connection: Socket,
    head: Buffer,
    opened: (socket: LinkSocket) => LinkEvents,
  ): string | null {
    if (request.headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13'
    this.#problem = null
    connection.setNoDelay(true)
    this.#server.handleUpgrade(request, connection, head, (socket) => {
      const link = new WsLink(socket, connection, this)
      this.#links.add(link)
      this.#timer ??= setInterval(() => this.#look(), this.options.silentMs / LOOKS).unref()
      link.events = opened(link)
    })
    return this.#problem
  }

  /** Closes all links at once, and reports that. */
  close(): void {
    for (const link of [...this.#links]) {
      const { events } = link
      link.close()
      events?.closed('')
    }
  }

  settled(connection: Socket): void {
    this.#onSettled(connection)
  }

  left(link: WsLink): void {
    this.#links.delete(link)
    if (this.#links.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    for (const link of [...this.#links]) link.look()
  }
}
