import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { EpaxosError, type ErrorCode } from '../errors.ts'
import { MEANINGS, UNKNOWN_STATUS } from '../outcomes.ts'
import type { HttpConnection } from './connection.ts'
import { ContentType, errorBody } from './error-body.ts'
import { BadRequest } from './head.ts'

/** A client that reads nothing of its answer for this long is gone. */
const STALLED_MS = 30_000

/**
 * A refused request is read for this much longer, and up to this many bytes: what is in flight must not destroy the
 * answer.
 */
const LINGER_MS = 500
const LINGER_BYTES = 8 << 20

/** Between two pieces of a long body, each up to 128 KiB. Some 50 MiB/s leave time for the work of the replica. */
const PIECE_PAUSE_MS = 2

/** The answer to one HTTP request: given once, and never after the client is gone. */
export class Reply {
  readonly #request: IncomingMessage
  readonly #connection: HttpConnection
  #response: ServerResponse | null
  #hasBody = false
  #expected: boolean
  readonly #marks: Record<string, string> = {}
  #ended: () => void = () => {}

  /** @param expected the client waits for `100 Continue` before it sends the body */
  constructor(request: IncomingMessage, response: ServerResponse, connection: HttpConnection, expected: boolean) {
    this.#request = request
    this.#response = response
    this.#connection = connection
    this.#expected = expected
    response.once('close', () => this.#end())
  }

  /** False once it was answered, or the client is gone. */
  get open(): boolean {
    return this.#response !== null
  }

  /** A body follows: if the request is refused before the body was read, the connection is closed. */
  announceBody(): void {
    this.#hasBody = true
  }

  /** A header of the answer, whatever the answer will be. */
  mark(name: string, value: string): void {
    this.#marks[name] = value
  }

  /** The body is wanted. */
  continue(): void {
    if (this.#expected) this.#response?.writeContinue()
    this.#expected = false
  }

  /** Calls `listener` when the reply is answered or the client is gone; one listener at a time. */
  onEnd(listener: () => void): void {
    this.#ended = listener
  }

  send(status: number, type: ContentType, body: string | Uint8Array, headers: Record<string, string> = {}): void {
    // The bytes of a result belong to somebody else when this returns.
    const bytes = Buffer.from(body as Uint8Array)
    this.#write(status, { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff', ...headers }, bytes)
  }

  /** The answer will come: says so to the client, which may give up a silent connection. */
  processing(): void {
    this.#response?.writeProcessing()
  }

  /**
   * Sends a long body piece by piece, not faster than the client reads, with a pause after each. If a piece cannot be
   * had, the connection is cut, so that the client sees that the body is not whole. Resolves when all is sent, or the
   * client is gone, or with the reason of the cut.
   */
  async stream(
    status: number,
    type: ContentType,
    bytes: number,
    pieces: Iterable<Uint8Array>,
  ): Promise<Error | undefined> {
    const response = this.#response
    if (response === null) return undefined
    this.#end()
    response.writeHead(status, { 'Content-Type': type, ...this.#marks, 'Content-Length': bytes })
    this.#request.socket.setTimeout(STALLED_MS)
    try {
      for (const piece of pieces) {
        if (!response.write(piece)) await drained(response)
        // Always: a fast client drains it within the same turn, and the replica has other work.
        await pause(PIECE_PAUSE_MS)
        if (response.destroyed) return undefined
      }
      response.end()
      return undefined
    } catch (error) {
      response.destroy()
      return error as Error
    }
  }

  json(status: number, value: unknown): void {
    this.send(status, ContentType.json, JSON.stringify(value))
  }

  noContent(): void {
    this.#write(204, {}, null)
  }

  /** Reports what went wrong, with these `headers`. */
  refuse(code: ErrorCode, message: string, headers: Record<string, string> = {}): void {
    this.send(MEANINGS[code].status, ContentType.json, errorBody(code, message), headers)
  }

  /** It may be done, now or later. */
  unknown(code: ErrorCode, message: string): void {
    this.json(UNKNOWN_STATUS, { error: { code, message } })
  }

  /**
   * Like {@link refuse}; throws on what is not an `EpaxosError`. After a {@link BadRequest} the connection is closed.
   */
  fail(error: unknown): void {
    if (!(error instanceof EpaxosError)) throw error
    if (error instanceof BadRequest) this.hangUp(error.code, error.message, error.status)
    else this.refuse(error.code, error.message)
  }

  /** Like {@link refuse}, and closes the connection: nothing that follows on it is run. */
  hangUp(code: ErrorCode, message: string, status = MEANINGS[code].status): void {
    this.#write(status, { 'Content-Type': ContentType.json }, Buffer.from(errorBody(code, message)), true)
  }

  /** An answer before its request is whole also ends the connection. */
  #write(
    status: number,
    headers: Record<string, string>,
    body: Buffer | null,
    closes = this.#hasBody && !this.#request.complete,
  ): void {
    const response = this.#response
    if (response === null) return
    if (closes) this.#connection.endWithAnswer()
    this.#end()
    const length = body === null ? {} : { 'Content-Length': body.length }
    response.writeHead(status, { ...headers, ...this.#marks, ...length, ...(closes && { Connection: 'close' }) })
    this.#request.socket.setTimeout(STALLED_MS)
    if (body !== null && this.#request.method !== 'HEAD') response.write(body)
    if (!closes) response.end()
    else {
      response.flushHeaders()
      drain(this.#request, () => response.end())
    }
  }

  #end(): void {
    if (this.#response === null) return
    this.#response = null
    this.#connection.whileReading(null)
    this.#ended()
  }
}

/** Resolves when the response takes more, or its client is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

/** Reads and discards the rest of a request, within limits, before its connection is closed. */
function drain(request: IncomingMessage, done: () => void): void {
  let size = 0
  let finished = false
  const finish = () => {
    if (finished) return
    finished = true
    clearTimeout(timer)
    request.off('data', count)
    done()
  }
  const count = (chunk: Buffer) => {
    size += chunk.length
    if (size > LINGER_BYTES) finish()
  }
  const timer = setTimeout(finish, LINGER_MS)
  request.once('end', finish)
  request.once('close', finish)
  request.on('data', count)
}
