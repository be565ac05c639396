import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { CommandError, ErrorCode } from '../../errors.ts'

/** A replica, as its clients see it. */
export interface Target {
  /** `http://HOST:PORT`. */
  readonly url: string
  readonly secret?: string
  readonly timeoutMs: number
}

export interface Answer {
  readonly status: number
  readonly body: Uint8Array
  /** The replica's explanation of an error, for people. */
  readonly message: string
}

/**
 * One HTTP request on a connection of its own. Resolves with any answer; a replica that says that it still works on it
 * gets the time again. Rejects with a `CommandError`: `refused` if the request certainly did not reach the replica,
 * `unknown` otherwise.
 */
export async function ask(target: Target, method: string, path: string, body?: string): Promise<Answer> {
  const request = await requestTo(target, method, path, Buffer.byteLength(body ?? ''))
  const connected = connectionOf(target, request)
  const timer = setTimeout(
    () => request.destroy(new Error(`no answer within ${target.timeoutMs} ms`)),
    target.timeoutMs,
  )
  request.on('information', () => timer.refresh())
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject).end(bytesOf(body))
    })
    const bytes = await buffer(response)
    return {
      status: response.statusCode as number,
      body: bytes,
      message: messageOf(response.statusCode as number, bytes),
    }
  } catch (error) {
    const { message } = error as Error
    if (connected()) throw new CommandError(ErrorCode.timeout, 'unknown', `${target.url} did not answer: ${message}`)
    throw new CommandError(ErrorCode.unreachable, 'refused', `${target.url} cannot be reached: ${message}`)
  } finally {
    clearTimeout(timer)
  }
}

/** A request that waits for its body. */
export async function requestTo(target: Target, method: string, path: string, length: number): Promise<ClientRequest> {
  const { protocol, hostname, port } = new URL(target.url)
  return (await requestOf(protocol))({
    host: hostname.replace(/^\[|\]$/g, ''),
    port,
    method,
    // Not through URL, which treats `/kv/..` as a way up.
    path,
    agent: false,
    headers: {
      'content-length': length,
      // Each character of a header is written as one byte.
      ...(target.secret !== undefined && { authorization: `Bearer ${Buffer.from(target.secret).toString('latin1')}` }),
    },
  })
}

/** Tells whether the request has been connected. */
function connectionOf(target: Target, request: ClientRequest): () => boolean {
  let connected = false
  const event = target.url.startsWith('https:') ? 'secureConnect' : 'connect'
  request.on('socket', (socket) => socket.once(event, () => (connected = true)))
  return () => connected
}

/** TLS is loaded late: it takes longer than a request without it. */
async function requestOf(protocol: string): Promise<typeof httpRequest> {
  return protocol === 'https:' ? (await import('node:https')).request : httpRequest
}

/** Not a string: Node.js would write the headers in its encoding, too. */
function bytesOf(body = ''): Uint8Array {
  return Buffer.from(body)
}

/** The body of an answer in JSON. Throws a `CommandError` (`unknown`): something else than a replica answers there. */
export function jsonOf(target: Target, { body }: Answer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    throw new CommandError(ErrorCode.malformed, 'unknown', `${target.url} answers with something that is not JSON`)
  }
}

/** Errors are JSON, `{"error": {"code", "message"}}`. */
export function messageOf(status: number, body: Uint8Array): string {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body)) as { error: { code: string; message: string } }
    return `${error.message} (${error.code})`
  } catch {
    return `HTTP status ${status}`
  }
}
