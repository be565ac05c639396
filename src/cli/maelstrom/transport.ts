import type { Identity, Transport, TransportHandlers } from '../../transport/transport.ts'
import type { Body } from './messages.ts'

/** The type of the messages between nodes. */
export const FRAME_TYPE = 'epaxos'

export interface MaelstromTransportOptions {
  /** Names of all nodes, by id. */
  readonly nodes: readonly string[]
  readonly identity: Identity
  readonly say: (dest: string, body: Body) => void
}

/**
 * Sends frames as messages of Maelstrom, one each, in base64. Its network has no links: every node counts as linked
 * from the start, the heartbeats notice who is silent, and the protocol sends lost messages again. A node that comes
 * back without its memory is ignored.
 */
export class MaelstromTransport implements Transport {
  readonly #options: MaelstromTransportOptions
  readonly #incarnation: string
  /** The incarnations of the admitted nodes, by id. */
  readonly #admitted = new Map<number, string>()
  #handlers: TransportHandlers | null = null

  constructor(options: MaelstromTransportOptions) {
    this.#options = options
    this.#incarnation = Buffer.from(options.identity.incarnation).toString('base64')
  }

  async start(handlers: TransportHandlers): Promise<void> {
    const { nodes, identity } = this.#options
    this.#handlers = handlers
    for (const id of nodes.keys()) if (id !== identity.id) handlers.up(id, { ...identity, id })
  }

  send(peer: number, frame: Uint8Array): boolean {
    if (this.#handlers === null) return false
    const text = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString('base64')
    this.#options.say(this.#options.nodes[peer] as string, {
      type: FRAME_TYPE,
      incarnation: this.#incarnation,
      frame: text,
    })
    return true
  }

  /** Standard output takes everything at once. */
  buffered(): number {
    return 0
  }

  async close(): Promise<void> {
    this.#handlers = null
  }

  /** A message of another node. */
  receive(src: string, { incarnation, frame }: Body): void {
    const { nodes, identity } = this.#options
    const from = nodes.indexOf(src)
    if (from < 0 || from === identity.id || typeof frame !== 'string' || typeof incarnation !== 'string') {
      this.#handlers?.dropped(`from ${src}: no frame of another node`)
    } else if (this.#admitted.get(from) === incarnation) {
      // There are no links that could be closed: what a damaged frame held is sent again.
      this.#handlers?.frame(from, Buffer.from(frame, 'base64'))
    } else void this.#admit(from, incarnation)
  }

  /** Frames that arrive before the admission are dropped; the protocol sends them again. */
  async #admit(from: number, incarnation: string): Promise<void> {
    if (await this.#handlers?.admit(from, Buffer.from(incarnation, 'base64'))) this.#admitted.set(from, incarnation)
    else this.#handlers?.dropped(`from ${this.#options.nodes[from]}: it has lost its memory`)
  }
}
