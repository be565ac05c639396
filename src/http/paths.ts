import { CONSISTENCIES, type Consistency } from '../codec/client-messages.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'

/** Keys over HTTP; over WebSocket they may be longer. */
export const MAX_HTTP_KEY_BYTES = 512

/** What a path names; `key` holds all bytes that follow `/kv/`, percent-decoded. */
export type Target =
  | { readonly name: 'value' | 'increment'; readonly key: Uint8Array }
  | { readonly name: 'transaction' | 'members' | 'status' | 'metrics' | 'backup' | 'livez' | 'readyz' }

/** The methods of each target, in lower case; HEAD is answered like GET, without the body. */
export const METHODS: Readonly<Record<Target['name'], readonly string[]>> = {
  value: ['get', 'head', 'put', 'delete'],
  increment: ['post'],
  transaction: ['post'],
  members: ['get', 'head', 'post'],
  status: ['get', 'head'],
  metrics: ['get', 'head'],
  backup: ['get'],
  livez: ['get', 'head'],
  readyz: ['get', 'head'],
}

const KV = '/kv/'
const INCREMENT = '/increment'

/**
 * What a request is for. Slashes belong to the key, and so do `.` and `..`. A POST increments the key before its last
 * `/increment`; any other method uses everything as the key. Throws an `EpaxosError` with code `not_found`, `malformed`
 * or `too_large`.
 *
 * @param method in lower case
 */
export function targetOf(method: string, path: string): Target {
  if (path.startsWith(KV)) return keyTarget(method, path.slice(KV.length))
  if (path === '/transaction') return { name: 'transaction' }
  if (path === '/members') return { name: 'members' }
  if (path === '/status') return { name: 'status' }
  if (path === '/metrics') return { name: 'metrics' }
  if (path === '/backup') return { name: 'backup' }
  if (path === '/livez') return { name: 'livez' }
  if (path === '/readyz') return { name: 'readyz' }
  throw new EpaxosError(ErrorCode.notFound, 'no such path')
}

function keyTarget(method: string, rest: string): Target {
  const increments = method === 'post' && rest.endsWith(INCREMENT)
  return increments
    ? { name: 'increment', key: decodeKey(rest.slice(0, -INCREMENT.length)) }
    : { name: 'value', key: decodeKey(rest) }
}

/** The bytes of a percent-encoded key. */
function decodeKey(segment: string): Uint8Array {
  if (segment === '') throw malformed('a key has at least 1 byte')
  const bytes = new Uint8Array(segment.length)
  let length = 0
  for (let i = 0; i < segment.length; i++) {
    const character = segment.charCodeAt(i)
    if (character <= 0x20 || character >= 0x7f) throw malformed('a key is percent-encoded')
    if (character !== 0x25) {
      bytes[length++] = character
      continue
    }
    const code = segment.slice(i + 1, i + 3)
    if (!/^[0-9a-fA-F]{2}$/.test(code)) throw malformed('a percent code has two hexadecimal digits')
    bytes[length++] = Number.parseInt(code, 16)
    i += 2
  }
  if (length > MAX_HTTP_KEY_BYTES) {
    throw new EpaxosError(ErrorCode.tooLarge, `a key has at most ${MAX_HTTP_KEY_BYTES} bytes over HTTP`)
  }
  return bytes.subarray(0, length)
}

/** The consistency that a query requests. Throws `malformed` for any query that requests something else. */
export function consistencyOf(query: string): Consistency {
  if (query === '') return 'linearizable'
  const consistency = CONSISTENCIES.find((name) => query === `consistency=${name}`)
  if (consistency !== undefined) return consistency
  throw malformed(`the query can only be consistency=${CONSISTENCIES.join(' or consistency=')}`)
}

function malformed(message: string): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, message)
}
