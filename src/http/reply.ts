import type { HttpResponse } from 'uWebSockets.js'
import { EpaxosError, ErrorCode } from '../errors.ts'

/** Of each code the status; of an outcome "unknown" it is 504, whatever the code. */
const STATUS: Partial<Record<ErrorCode, string>> = {
  [ErrorCode.malformed]: '400 Bad Request',
  [ErrorCode.badCommand]: '400 Bad Request',
  [ErrorCode.unauthorized]: '401 Unauthorized',
  [ErrorCode.forbidden]: '403 Forbidden',
  [ErrorCode.notFound]: '404 Not Found',
  [ErrorCode.methodNotAllowed]: '405 Method Not Allowed',
  [ErrorCode.notCounter]: '409 Conflict',
  [ErrorCode.tooLarge]: '413 Content Too Large',
  [ErrorCode.busy]: '429 Too Many Requests',
  [ErrorCode.notReady]: '503 Service Unavailable',
  [ErrorCode.diskFull]: '503 Service Unavailable',
  [ErrorCode.closed]: '503 Service Unavailable',
}

const UNKNOWN = '504 Gateway Timeout'
const INTERNAL = '500 Internal Server Error'

export const ContentType = {
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
  bytes: 'application/octet-stream',
} as const
export type ContentType = (typeof ContentType)[keyof typeof ContentType]

/** The answer to one HTTP request: given once, and never after the client has gone, when its response must not be touched. */
export class Reply {
  readonly #head: boolean
  #response: HttpResponse | null
  #ended: () => void = () => {}

  constructor(response: HttpResponse, head: boolean) {
    this.#response = response
    this.#head = head
    response.onAborted(() => this.#end())
  }

  /** False once it was answered, or the client has gone. */
  get open(): boolean {
    return this.#response !== null
  }

  /** Calls `listener` when the reply is answered or the client gone; one at a time. */
  onEnd(listener: () => void): void {
    this.#ended = listener
  }

  send(status: string, type: ContentType, body: string | Uint8Array, headers: Record<string, string> = {}): void {
    this.#write(status, { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff', ...headers }, (response) => {
      if (this.#head) response.endWithoutBody(typeof body === 'string' ? Buffer.byteLength(body) : body.length)
      else response.end(body)
    })
  }

  json(status: string, value: unknown): void {
    this.send(status, ContentType.json, JSON.stringify(value))
  }

  noContent(): void {
    this.#write('204 No Content', {}, (response) => response.endWithoutBody())
  }

  /** Says what went wrong; `headers` go with it. */
  refuse(code: ErrorCode, message: string, headers: Record<string, string> = {}): void {
    const body = JSON.stringify({ error: { code, message } })
    this.send(STATUS[code] ?? INTERNAL, ContentType.json, body, headers)
  }

  /** It may be done, or be done later. */
  unknown(code: ErrorCode, message: string): void {
    this.json(UNKNOWN, { error: { code, message } })
  }

  /** As {@link refuse}; what is no `EpaxosError` is passed on. */
  fail(error: unknown): void {
    if (!(error instanceof EpaxosError)) throw error
    this.refuse(error.code, error.message)
  }

  /** As {@link refuse}, and hangs up: the rest of the request is not read. */
  hangUp(code: ErrorCode, message: string): void {
    const body = JSON.stringify({ error: { code, message } })
    this.#write(STATUS[code] ?? INTERNAL, { 'Content-Type': ContentType.json }, (response) => response.end(body, true))
  }

  #write(status: string, headers: Record<string, string>, end: (response: HttpResponse) => void): void {
    const response = this.#response
    if (response === null) return
    this.#end()
    response.cork(() => {
      response.writeStatus(status)
      for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value)
      end(response)
    })
  }

  #end(): void {
    if (this.#response === null) return
    this.#response = null
    this.#ended()
  }
}
