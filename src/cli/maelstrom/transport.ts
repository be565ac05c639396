import { NONCE_BYTES } from '../../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import { claimOf, refusalOfDialled, refusalOfDialler } from '../../transport/admission.ts'
import { helloText, readAnswer, readHello, type Welcome, welcomeText } from '../../transport/handshake.ts'
import type { Claim, Identity, Transport, TransportHandlers } from '../../transport/transport.ts'
import type { Body } from './messages.ts'

/** The type of the messages between nodes. */
export const FRAME_TYPE = 'epaxos'

/** Between two greetings of a node that has not welcomed this one. */
const GREETING_MS = 100

/** One message may be the first or the last: nothing tells one link from another. */
const NO_NONCES = { challenge: '', hello: '0'.repeat(2 * NONCE_BYTES) }

const FIXED = 'the nodes of Maelstrom stay the same'

export interface MaelstromTransportOptions {
  /** Names of all nodes, by id. */
  readonly nodes: readonly string[]
  readonly identity: Identity
  readonly say: (dest: string, body: Body) => void
}

/**
 * Sends frames as messages of Maelstrom, one each, in base64. Its network has no links: a node greets each other node
 * until that one welcomes it, and counts it as linked from then on. The heartbeats notice who is silent, and the
 * protocol sends lost messages again. A node that comes back without its memory is ignored.
 */
export class MaelstromTransport implements Transport {
  readonly #options: MaelstromTransportOptions
  readonly #incarnation: string
  /** The incarnations of the admitted nodes, by id. */
  readonly #admitted = new Map<number, string>()
  /** Nodes that have welcomed this one. */
  readonly #linked = new Set<number>()
  #handlers: TransportHandlers | null = null
  #greetings: NodeJS.Timeout | undefined

  constructor(options: MaelstromTransportOptions) {
    this.#options = options
    this.#incarnation = base64(options.identity.incarnation)
  }

  async start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers
    this.#greetings = setInterval(() => this.#greetAll(), GREETING_MS)
    this.#greetAll()
  }

  send(peer: number, frame: Uint8Array): boolean {
    if (this.#handlers === null || !this.#linked.has(peer)) return false
    this.#say(peer, { frame: base64(frame) })
    return true
  }

  /** Standard output takes everything at once. */
  buffered(): number {
    return 0
  }

  /** A node has one start only: there is nothing that a later one could take the place of. */
  drop(): void {}

  become(): void {
    throw new EpaxosError(ErrorCode.badChange, FIXED)
  }

  dial(): void {
    throw new EpaxosError(ErrorCode.badChange, FIXED)
  }

  probe(): Promise<Claim> {
    return Promise.reject(new EpaxosError(ErrorCode.badChange, FIXED))
  }

  async close(): Promise<void> {
    clearInterval(this.#greetings)
    this.#handlers = null
  }

  /** A message of another node. */
  receive(src: string, body: Body): void {
    const { nodes, identity } = this.#options
    const from = nodes.indexOf(src)
    const { incarnation, frame, hello, welcome } = body
    if (from < 0 || from === identity.id) this.#handlers?.dropped('link', `from ${src}: no frame of another node`)
    else if (typeof hello === 'string') void this.#judge(from, () => this.#onHello(from, hello))
    else if (typeof welcome === 'string') void this.#judge(from, () => this.#onWelcome(from, welcome))
    else if (typeof frame !== 'string') this.#handlers?.dropped('link', `from ${src}: no frame of another node`)
    // There are no links that could be closed: what a damaged frame held is sent again.
    else if (this.#admitted.get(from) === incarnation) this.#handlers?.frame(from, Buffer.from(frame, 'base64'))
    // What comes before the admission is sent again.
    else this.#handlers?.dropped('link', `from ${src}: not admitted, or it has lost its memory`)
  }

  #greetAll(): void {
    for (const peer of this.#options.nodes.keys()) {
      if (peer === this.#options.identity.id || this.#linked.has(peer)) continue
      this.#say(peer, { hello: helloText(this.#claim(), peer, NO_NONCES, null) })
    }
  }

  async #judge(from: number, listen: () => Promise<void>): Promise<void> {
    try {
      await listen()
    } catch (error) {
      this.#handlers?.dropped('handshake', `from ${this.#options.nodes[from]}: ${(error as Error).message}`)
    }
  }

  async #onHello(from: number, text: string): Promise<void> {
    const hello = readHello(Buffer.from(text))
    if (hello.type === 'foreign') throw new Error('another version')
    const refusal = hello.id === from ? refusalOfDialler(this.#options.identity, hello, hello.to) : 'row'
    const verdict = refusal ?? (await this.#handlers?.admit(from, hello, false, hello.to))
    if (verdict === undefined) return
    if (verdict !== 'yes' && verdict !== 'again') throw new Error(`refused: ${verdict}`)
    this.#admitted.set(from, base64(hello.incarnation))
    this.#say(from, { welcome: welcomeText(this.#claim(), from, NO_NONCES, null) })
  }

  async #onWelcome(from: number, text: string): Promise<void> {
    const welcome = readAnswer(Buffer.from(text)) as Welcome
    const refusal = welcome.type === 'welcome' ? refusalOfDialled(this.#options.identity, welcome, from) : 'row'
    if (refusal !== null) throw new Error(`another ${refusal}`)
    const verdict = await this.#handlers?.admit(from, welcome, true, this.#options.identity.id)
    if (verdict !== 'yes' || this.#linked.has(from)) return
    this.#linked.add(from)
    this.#handlers?.up(from, welcome)
  }

  #say(peer: number, body: Omit<Body, 'type'>): void {
    if (this.#handlers === null) return
    this.#options.say(this.#options.nodes[peer] as string, {
      type: FRAME_TYPE,
      incarnation: this.#incarnation,
      ...body,
    })
  }

  #claim(): Claim {
    const { identity } = this.#options
    return claimOf(identity, (this.#handlers as TransportHandlers).standing(), identity.id)
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
