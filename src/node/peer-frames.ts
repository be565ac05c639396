import { sealedFrames, unsealed } from '../codec/frame.ts'
import { decodeFrame, encodeMessage } from '../codec/peer.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Envelope } from '../protocol/effects.ts'
import { type Member, type Membership, rowOf } from '../protocol/membership.ts'
import type { AnyMessage } from '../protocol/messages.ts'
import { addVote, type Votes } from '../protocol/votes.ts'
import type { Transport } from '../transport/transport.ts'
import type { FrameDrop } from './dropped.ts'

export interface PeerFramesOptions {
  readonly transport: Pick<Transport, 'send' | 'buffered'>
  readonly members: Membership
  /** A link with this many unsent bytes is behind. */
  readonly behindBytes: number
  /** A frame of an admitted peer could not be read, as a whole or from some message on. */
  readonly dropped: (reason: FrameDrop, what: string) => void
}

/** Longer frames are split: each that arrives is a sign of life, on however slow a link. */
const FRAME_BYTES = 1 << 20

/**
 * Messages of the core as frames: those of one turn are sent as one frame per peer. The core names its peers by row,
 * the transport by id.
 */
export class PeerFrames {
  readonly #options: PeerFramesOptions
  /** By row. */
  readonly #parts: Uint8Array[][]

  constructor(options: PeerFramesOptions) {
    this.#options = options
    this.#parts = Array.from({ length: options.members.quorums.replicas }, () => [])
  }

  /** Peers to which much is still on its way. */
  get behind(): Votes {
    const { transport, members, behindBytes } = this.#options
    let rows = 0
    for (const [row, { id }] of members.members.entries()) {
      if (transport.buffered(id) > behindBytes) rows = addVote(rows, row)
    }
    return rows
  }

  /** Adds messages to the frames of this turn. Encodes each message once, however many receivers it has. */
  add(messages: readonly Envelope[]): void {
    let last: AnyMessage | null = null
    let bytes: Uint8Array | null = null
    for (const { to, message } of messages) {
      if (message !== last || bytes === null) bytes = encodeMessage(message)
      last = message
      this.#parts[to]?.push(bytes)
    }
  }

  addOne(to: number, message: AnyMessage): void {
    this.#parts[to]?.push(encodeMessage(message))
  }

  /** To a peer: what its link has not sent yet, and what leaves with the next {@link send}. */
  unsentBytes(to: number): number {
    const { transport, members } = this.#options
    const parts = this.#parts[to] ?? []
    return transport.buffered((members.members[to] as Member).id) + parts.reduce((sum, { length }) => sum + length, 0)
  }

  /** What is the same for several peers, as most messages of a proposer are, is copied and sealed once. */
  send(): void {
    const { transport, members } = this.#options
    let last: Uint8Array[] = []
    let frames: Uint8Array[] = []
    for (let row = 0; row < this.#parts.length; row++) {
      const parts = this.#parts[row] as Uint8Array[]
      if (parts.length === 0) continue
      if (!areSame(parts, last)) frames = sealedFrames(parts, members.epoch, FRAME_BYTES)
      last = parts
      const { id } = members.members[row] as Member
      for (const frame of frames) transport.send(id, frame)
      this.#parts[row] = []
    }
  }

  /**
   * Reads a frame of an admitted peer; its bytes are read before this returns. Returns false if the frame is damaged:
   * nothing of it was handled. A frame that arrives whole but is malformed is the peer's own mistake: the rest of it is
   * dropped, and a new link would not help. Nothing of a frame of another epoch is handled: its rows are other members.
   */
  receive(from: number, bytes: Uint8Array, receive: (row: number, message: AnyMessage) => void): boolean {
    const { members, dropped } = this.#options
    const row = rowOf(members, from)
    const frame = unsealed(bytes)
    if (frame === null) {
      dropped('damaged', `damaged frame from replica ${from}`)
      return false
    }
    if (frame.epoch !== members.epoch) {
      dropped('epoch', `from replica ${from}: a frame of epoch ${frame.epoch} in epoch ${members.epoch}`)
      return true
    }
    try {
      decodeFrame(frame.content, members, (message) => receive(row, message))
    } catch (error) {
      if (!isForeign(error)) throw error
      dropped('malformed', `from replica ${from}: ${error.message}`)
    }
    return true
  }
}

function areSame(parts: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return parts.length === others.length && parts.every((part, i) => part === others[i])
}

/** Whether the bytes are at fault, and not this replica. */
function isForeign(error: unknown): error is EpaxosError {
  return error instanceof EpaxosError && (error.code === ErrorCode.malformed || error.code === ErrorCode.tooLarge)
}
