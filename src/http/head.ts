import type { IncomingMessage } from 'node:http'
import { EpaxosError, ErrorCode } from '../errors.ts'

/** More header lines than any client sends; the parser limits their total size. */
export const MAX_HEADER_LINES = 100

/** Headers that must not come twice: with two values, another program may believe the other one. */
const ONCE: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-type',
  'epaxos-acknowledged',
  'epaxos-request',
  'epaxos-session',
  'epaxos-token',
  'expect',
  'host',
  'origin',
  'sec-websocket-key',
  'sec-websocket-version',
  'transfer-encoding',
  'upgrade',
])

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i

/** The head of a request, after everything ambiguous was refused. */
export interface Head {
  readonly method: string
  /** As it was sent: not decoded, dots not resolved. */
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  readonly host: string
  readonly origin: string
  readonly hasBody: boolean
  /** Empty if there is none. */
  header(name: string): string
}

/** A request that is not served and whose connection is closed afterwards, because nobody knows what its bytes mean. */
export class BadRequest extends EpaxosError {
  readonly status: number

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message)
    this.status = status
  }
}

/** Only the path of clients opens WebSockets; what follows such a request on another path is never run. */
export const NO_WEBSOCKET = [400, ErrorCode.malformed, 'there is no WebSocket on this path'] as const

/** Throws a {@link BadRequest}. */
export function readHead(request: IncomingMessage): Head {
  const { rawHeaders, headers, httpVersion } = request
  if (rawHeaders.length > 2 * MAX_HEADER_LINES) {
    throw new BadRequest(431, ErrorCode.tooLarge, `a request has at most ${MAX_HEADER_LINES} header lines`)
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new BadRequest(505, ErrorCode.malformed, 'HTTP/1.1 and HTTP/1.0 are spoken here')
  }
  checkRepetitions(rawHeaders)
  const header = (name: string) => {
    const value = headers[name]
    return typeof value === 'string' ? value : ''
  }
  const hasBody = checkFraming(request)
  const { authority, target } = targetOf(request.url ?? '')
  if (headers.host === undefined && httpVersion === '1.1') throw bad('the Host line is missing')
  const host = authority ?? header('host')
  if (!HOST.test(host)) throw bad('not a host')
  const mark = target.indexOf('?')
  return {
    method: request.method ?? '',
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    host,
    origin: header('origin'),
    hasBody,
    header,
  }
}

function checkRepetitions(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    if (!ONCE.has(name)) continue
    if (seen.has(name)) throw bad(`the line ${name} comes twice`)
    seen.add(name)
  }
}

/** The end of a request must be beyond doubt: a program that counts differently takes its body for a request. */
function checkFraming({ headers, httpVersion }: IncomingMessage): boolean {
  const length = headers['content-length']
  const coding = headers['transfer-encoding']
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw bad('Content-Length is a number')
  if (coding === undefined) return Number(length ?? 0) > 0
  if (length !== undefined) throw bad('Transfer-Encoding and Content-Length exclude each other')
  if (coding.toLowerCase() !== 'chunked') throw bad('the only Transfer-Encoding is chunked')
  if (httpVersion !== '1.1') throw bad('Transfer-Encoding needs HTTP/1.1')
  return true
}

/** In the absolute form, which proxies use, the authority counts and not the Host line. */
function targetOf(url: string): { authority: string | null; target: string } {
  if (url.startsWith('/') || url === '*') return { authority: null, target: url }
  const [, authority, rest] = ABSOLUTE.exec(url) ?? []
  if (authority === undefined || rest === undefined) throw bad('not a path')
  return { authority, target: rest.startsWith('/') ? rest : `/${rest}` }
}

function bad(message: string): BadRequest {
  return new BadRequest(400, ErrorCode.malformed, message)
}
