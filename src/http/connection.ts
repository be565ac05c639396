import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorCode } from '../errors.ts'
import { ContentType, errorBody } from './error-body.ts'

/** With this many requests waiting for earlier answers, the connection is not read any further. */
const MAX_WAITING = 32

/** A refused connection is read for this much longer: what was already sent must not destroy the answer. */
const LINGER_MS = 500

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  run(): void
}

/** Why a connection ends. */
export interface Failure {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
}

/**
 * The requests of one connection, one after the other: the next begins when the one before has been answered. After the
 * first request that is refused for good, or cannot be read, nothing that follows is run.
 */
export class HttpConnection {
  readonly #socket: Socket
  readonly #waiting: Exchange[] = []
  #running: Exchange | null = null
  #failure: Failure | null = null
  #ended = false
  /** What the running exchange does if its body cannot be read. */
  #onFailure: ((failure: Failure) => void) | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => {
      this.#ended = true
      this.#waiting.length = 0
    })
  }

  /** Nothing that arrives from now on is run. */
  get ended(): boolean {
    return this.#ended || this.#failure !== null
  }

  /** A request is being answered. */
  get busy(): boolean {
    return this.#running !== null
  }

  take(request: IncomingMessage, response: ServerResponse, run: () => void): void {
    if (this.ended) return
    request.on('error', () => {})
    response.on('error', () => {})
    const exchange = { request, response, run }
    if (this.#running === null) return this.#run(exchange)
    this.#waiting.push(exchange)
    if (this.#waiting.length === MAX_WAITING) this.#socket.pause()
  }

  /** The running request is refused; the connection is closed afterwards. */
  endWithAnswer(): void {
    this.#ended = true
    this.#waiting.length = 0
  }

  /** What the running request does if its body cannot be read, or does not arrive. */
  whileReading(onFailure: ((failure: Failure) => void) | null): void {
    this.#onFailure = onFailure
  }

  /**
   * The bytes that came cannot be read. Whole requests are answered first; a request whose body contains these bytes is
   * refused with them.
   */
  fail(failure: Failure): void {
    if (this.ended) return
    this.#failure = failure
    const last = this.#waiting.at(-1) ?? this.#running
    if (last !== null && !last.request.complete) {
      if (last === this.#running) {
        this.#ended = true
        if (this.#onFailure !== null) this.#onFailure(failure)
        return
      }
      this.#waiting.pop()
    }
    this.#resume()
    if (this.#running === null) this.#end()
  }

  #run(exchange: Exchange): void {
    this.#running = exchange
    // The time limit for reading the previous answer does not apply to this one.
    this.#socket.setTimeout(0)
    exchange.response.once('close', () => this.#next())
    exchange.run()
  }

  #next(): void {
    this.#running = null
    this.#onFailure = null
    const next = this.#waiting.shift()
    this.#resume()
    if (next !== undefined) this.#run(next)
    else if (this.#failure !== null && !this.#ended) this.#end()
  }

  #resume(): void {
    if (this.#waiting.length < MAX_WAITING && this.#socket.isPaused()) this.#socket.resume()
  }

  #end(): void {
    this.#ended = true
    const { status, code, message } = this.#failure as Failure
    const body = errorBody(code, message)
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `Content-Type: ${ContentType.json}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '\r\n',
    ]
    const socket = this.#socket
    if (socket.writable) socket.end(lines.join('\r\n') + body)
    linger(socket)
  }
}

function linger(socket: Socket): void {
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
}
