import type { HttpResponse } from 'uWebSockets.js'
import { ErrorCode } from '../errors.ts'
import type { Reply } from './reply.ts'

/** Unfinished bodies of all requests together; above, requests are refused. */
export const MAX_RECEIVING_BYTES = 64 << 20

/** Gathers the bodies of requests, within a limit for each and one for all. */
export class Bodies {
  #receiving = 0

  /**
   * Calls `done` with the whole body, a view that is valid until it returns; not at all where the request was refused or the client has gone.
   * @param announced the request's Content-Length; empty for none
   */
  read(response: HttpResponse, reply: Reply, announced: string, limit: number, done: (body: Uint8Array) => void): void {
    if (Number(announced) > limit) return reply.hangUp(ErrorCode.tooLarge, `a body has at most ${limit} bytes here`)
    const chunks: Uint8Array[] = []
    let size = 0
    reply.onEnd(() => {
      this.#receiving -= size
    })
    response.onData((chunk, isLast) => {
      if (!reply.open) return
      const bytes = new Uint8Array(chunk)
      if (isLast && chunks.length === 0 && bytes.length <= limit) return done(bytes)
      size += bytes.length
      this.#receiving += bytes.length
      if (size > limit) return reply.hangUp(ErrorCode.tooLarge, `a body has at most ${limit} bytes here`)
      if (this.#receiving > MAX_RECEIVING_BYTES) return reply.hangUp(ErrorCode.busy, 'too much is being received')
      chunks.push(bytes.slice())
      if (isLast) done(Buffer.concat(chunks))
    })
  }
}
