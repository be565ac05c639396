import { sealedFrames, unsealed } from '../codec/frame.ts'
import { decodeFrame, encodeMessage } from '../codec/peer.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Envelope } from '../protocol/effects.ts'
import type { Membership } from '../protocol/membership.ts'
import type { Message } from '../protocol/messages.ts'
import { addVote, type Votes } from '../protocol/votes.ts'
import type { Transport } from '../transport/transport.ts'

export interface PeerFramesOptions {
  readonly transport: Pick<Transport, 'send' | 'buffered'>
  readonly members: Membership
  /** A link with this many unsent bytes is behind. */
  readonly behindBytes: number
  /** A frame of an admitted peer could not be read, as a whole or from some message on. */
  readonly dropped: (what: string) => void
}

/** Longer frames are split: each that arrives is a sign of life, on however slow a link. */
const FRAME_BYTES = 1 << 20

/** Messages of the core as frames: those of one turn are sent as one frame per peer. */
export class PeerFrames {
  readonly #options: PeerFramesOptions
  readonly #parts: Uint8Array[][]

  constructor(options: PeerFramesOptions) {
    this.#options = options
    this.#parts = Array.from({ length: options.members.quorums.replicas }, () => [])
  }

  /** Peers to which much is still on its way. */
  get behind(): Votes {
    const { transport, members, behindBytes } = this.#options
    let peers = 0
    for (let peer = 0; peer < members.quorums.replicas; peer++) {
      if (transport.buffered(peer) > behindBytes) peers = addVote(peers, peer)
    }
    return peers
  }

  /** Adds messages to the frames of this turn. Encodes each message once, however many receivers it has. */
  add(messages: readonly Envelope[]): void {
    let last: Message | null = null
    let bytes: Uint8Array | null = null
    for (const { to, message } of messages) {
      if (message !== last || bytes === null) bytes = encodeMessage(message)
      last = message
      this.#parts[to]?.push(bytes)
    }
  }

  send(): void {
    for (let peer = 0; peer < this.#parts.length; peer++) {
      const parts = this.#parts[peer] as Uint8Array[]
      if (parts.length === 0) continue
      for (const frame of sealedFrames(parts, FRAME_BYTES)) this.#options.transport.send(peer, frame)
      this.#parts[peer] = []
    }
  }

  /**
   * Reads a frame of an admitted peer; its bytes are read before this returns. Returns false if the frame is damaged:
   * nothing of it was handled. A frame that arrives whole but is malformed is the peer's own mistake: the rest of it is
   * dropped, and a new link would not help.
   */
  receive(from: number, bytes: Uint8Array, receive: (message: Message) => void): boolean {
    const { members, dropped } = this.#options
    const messages = unsealed(bytes)
    if (messages === null) {
      dropped(`damaged frame from replica ${from}`)
      return false
    }
    try {
      decodeFrame(messages, members, receive)
    } catch (error) {
      if (!isForeign(error)) throw error
      dropped(`from replica ${from}: ${error.message}`)
    }
    return true
  }
}

/** Whether the bytes are at fault, and not this replica. */
function isForeign(error: unknown): error is EpaxosError {
  return error instanceof EpaxosError && (error.code === ErrorCode.malformed || error.code === ErrorCode.tooLarge)
}
