import type { TransportHandlers } from '../../transport/transport.ts'
import type { Body } from './messages.ts'

/** The type of the messages between nodes. */
export const FRAME_TYPE = 'epaxos'

export interface MaelstromTransportOptions {
  /** Names of all nodes: a node's id is its position, the same at every node. */
  readonly nodes: readonly string[]
  readonly id: number
  /** Drawn at random at the start of this process. */
  readonly incarnation: string
  readonly say: (dest: string, body: Body) => void
}

/**
 * Frames as messages of Maelstrom, one each, in base64. Its network has no links: every node counts as linked from the start, who is silent is found out by the
 * heartbeats, and what is lost is sent again by the protocol. A node that comes back without its memory is not heard again.
 */
export class MaelstromTransport {
  readonly #options: MaelstromTransportOptions
  readonly #incarnations = new Map<number, string>()
  #handlers: Pick<TransportHandlers, 'frame' | 'dropped'> | null = null

  constructor(options: MaelstromTransportOptions) {
    this.#options = options
  }

  start(handlers: Pick<TransportHandlers, 'frame' | 'dropped'>): void {
    this.#handlers = handlers
  }

  send(peer: number, frame: Uint8Array): boolean {
    const { nodes, incarnation, say } = this.#options
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString('base64')
    say(nodes[peer] as string, { type: FRAME_TYPE, incarnation, frame: bytes })
    return true
  }

  /** A message between nodes arrived. */
  receive(src: string, { incarnation, frame }: Body): void {
    const from = this.#options.nodes.indexOf(src)
    if (from < 0 || from === this.#options.id || typeof frame !== 'string' || typeof incarnation !== 'string') {
      this.#handlers?.dropped(`from ${src}: no frame of another node`)
    } else if ((this.#incarnations.get(from) ?? incarnation) !== incarnation) {
      this.#handlers?.dropped(`from ${src}: it has lost its memory`)
    } else {
      this.#incarnations.set(from, incarnation)
      this.#handlers?.frame(from, Buffer.from(frame, 'base64'))
    }
  }
}
