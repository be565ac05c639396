import type { Json } from '../../machine/list.ts'

/** One line of JSON, in either direction: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md */
export interface Message {
  readonly src: string
  readonly dest: string
  readonly body: Body
}

export interface Body {
  readonly type: string
  readonly msg_id?: number
  readonly in_reply_to?: number
  readonly [name: string]: Json | undefined
}

/** The error codes of Maelstrom that our nodes send. */
export const MaelstromCode = {
  /** May be done, now or later. The only code here that leaves the outcome open. */
  timeout: 0,
  notSupported: 10,
  temporarilyUnavailable: 11,
  malformedRequest: 12,
  abort: 14,
  keyDoesNotExist: 20,
  preconditionFailed: 22,
} as const
export type MaelstromCode = (typeof MaelstromCode)[keyof typeof MaelstromCode]

/** A request that is answered with an error. */
export class MaelstromError extends Error {
  readonly code: MaelstromCode

  constructor(code: MaelstromCode, text: string) {
    super(text)
    this.code = code
  }
}

/** Null for a line that is not a message. */
export function parseMessage(line: string): Message | null {
  let message: Partial<Message> | null
  try {
    message = JSON.parse(line) as Partial<Message> | null
  } catch {
    return null
  }
  const { src, dest, body } = message ?? {}
  const fits = typeof src === 'string' && typeof dest === 'string' && typeof body?.type === 'string'
  return fits ? { src, dest, body } : null
}
