import type { IncomingMessage } from 'node:http'
import { ErrorCode } from '../errors.ts'
import type { HttpConnection } from './connection.ts'
import type { Head } from './head.ts'
import type { Reply } from './reply.ts'

/** The total of unfinished bodies of all requests; beyond it, requests are refused. */
export const MAX_RECEIVING_BYTES = 64 << 20

const NO_BODY = new Uint8Array(0)

/** Everything that comes with a body. */
export interface Receiving {
  readonly request: IncomingMessage
  readonly head: Head
  readonly reply: Reply
  readonly connection: HttpConnection
}

/** Gathers the bodies of requests, within a limit for each and one for all. */
export class Bodies {
  #receiving = 0

  /** Calls `done` with the whole body; does not call it if the request was refused or the client is gone. */
  read({ request, head, reply, connection }: Receiving, limit: number, done: (body: Uint8Array) => void): void {
    if (!head.hasBody) return done(NO_BODY)
    const tooLarge = () => reply.hangUp(ErrorCode.tooLarge, `a body has at most ${limit} bytes here`)
    if (Number(head.header('content-length')) > limit) return tooLarge()
    const chunks: Buffer[] = []
    let size = 0
    reply.onEnd(() => {
      this.#receiving -= size
      size = 0
    })
    connection.whileReading(({ status, code, message }) => reply.hangUp(code, message, status))
    request.on('data', (chunk: Buffer) => {
      if (!reply.open) return
      size += chunk.length
      this.#receiving += chunk.length
      if (size > limit) return tooLarge()
      if (this.#receiving > MAX_RECEIVING_BYTES) return reply.hangUp(ErrorCode.busy, 'too much is being received')
      chunks.push(chunk)
    })
    request.on('end', () => {
      connection.whileReading(null)
      if (reply.open) done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
    })
    reply.continue()
  }
}
