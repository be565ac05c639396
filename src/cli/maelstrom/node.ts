import { randomBytes } from 'node:crypto'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import type { EngineKind } from '../../node/options.ts'
import { MAX_REPLICAS } from '../../protocol/quorums.ts'
import { type Body, MaelstromCode, MaelstromError, type Message } from './messages.ts'
import { MaelstromReplica } from './replica.ts'
import { requestOf } from './requests.ts'
import { FRAME_TYPE, MaelstromTransport } from './transport.ts'

export interface MaelstromNodeOptions {
  readonly engine: EngineKind
  readonly requestTimeoutMs: number
  /** Sends a message. */
  readonly say: (message: Message) => void
  /** For people: something was dropped. */
  readonly dropped: (what: string) => void
  /** An invariant broke: the node has stopped. */
  readonly failed: (error: Error) => void
}

/** A node of Maelstrom: told by `init` who it is, then a replica. Messages between nodes that come before are dropped, and sent again by the protocol. */
export class MaelstromNode {
  readonly #options: MaelstromNodeOptions
  #name = ''
  #transport: MaelstromTransport | null = null
  #replica: MaelstromReplica | null = null

  constructor(options: MaelstromNodeOptions) {
    this.#options = options
  }

  async receive({ src, body }: Message): Promise<void> {
    // Before anything else, and without a turn in between: it is the hot path.
    if (body.type === FRAME_TYPE) return this.#transport?.receive(src, body)
    try {
      const answer = body.type === 'init' ? await this.#init(body) : await this.#answer(body)
      this.#reply(src, body, answer)
    } catch (error) {
      if (!(error instanceof MaelstromError)) throw error
      this.#reply(src, body, { type: 'error', code: error.code, text: error.message })
    }
  }

  stop(): void {
    this.#replica?.stop()
  }

  async #init({ node_id: name, node_ids: names }: Body): Promise<Body> {
    if (this.#transport !== null) throw malformed('a node is initialized once')
    if (!Array.isArray(names) || typeof name !== 'string') throw malformed('node_id or node_ids is missing')
    // In the same order everywhere, however Maelstrom lists them.
    const nodes = (names as string[]).toSorted()
    const id = nodes.indexOf(name)
    if (id < 0 || nodes.length > MAX_REPLICAS) throw malformed(`1 to ${MAX_REPLICAS} nodes, this one among them`)
    const { engine, requestTimeoutMs, dropped, failed } = this.#options
    const incarnation = randomBytes(8).toString('hex')
    const say = (dest: string, body: Body) => this.#say(dest, body)
    const transport = new MaelstromTransport({ nodes, id, incarnation, say })
    this.#name = name
    this.#transport = transport
    const replicas = nodes.length
    this.#replica = await MaelstromReplica.start({ id, replicas, engine, requestTimeoutMs, transport, dropped, failed })
    return { type: 'init_ok' }
  }

  async #answer(body: Body): Promise<Body> {
    if (this.#replica === null) throw new MaelstromError(MaelstromCode.temporarilyUnavailable, 'not initialized')
    const request = requestOf(body)
    try {
      return request.answer(await this.#replica.propose(request.command))
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      const busy = error.code === ErrorCode.busy
      const code = busy ? MaelstromCode.temporarilyUnavailable : MaelstromCode.malformedRequest
      throw new MaelstromError(code, error.message)
    }
  }

  #reply(dest: string, { msg_id: number }: Body, body: Body): void {
    this.#say(dest, number === undefined ? body : { ...body, in_reply_to: number })
  }

  #say(dest: string, body: Body): void {
    this.#options.say({ src: this.#name, dest, body })
  }
}

function malformed(text: string): MaelstromError {
  return new MaelstromError(MaelstromCode.malformedRequest, text)
}
