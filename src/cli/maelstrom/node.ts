import { EpaxosError } from '../../errors.ts'
import type { Logger } from '../../node/logger.ts'
import type { EngineKind } from '../../node/options.ts'
import { MAX_REPLICAS } from '../../protocol/quorums.ts'
import { type Body, MaelstromCode, MaelstromError, type Message } from './messages.ts'
import { MaelstromReplica } from './replica.ts'
import { requestOf } from './requests.ts'
import { FRAME_TYPE } from './transport.ts'

export interface MaelstromNodeOptions {
  readonly engine: EngineKind
  readonly requestTimeoutMs: number
  /** Sends a message. */
  readonly say: (message: Message) => void
  readonly logger: Logger
  /** An invariant broke: the node has stopped. */
  readonly failed: (error: Error) => void
}

/**
 * A node of Maelstrom: `init` says who it is, then it is a replica. Messages between nodes that arrive before `init`
 * are dropped; the protocol sends them again.
 */
export class MaelstromNode {
  readonly #options: MaelstromNodeOptions
  #name = ''
  #replica: MaelstromReplica | null = null

  constructor(options: MaelstromNodeOptions) {
    this.#options = options
  }

  async receive({ src, body }: Message): Promise<void> {
    // First, and in the same turn: this is the hot path.
    if (body.type === FRAME_TYPE) return this.#replica?.receive(src, body)
    try {
      const answer = body.type === 'init' ? await this.#init(body) : await this.#answer(body)
      this.#reply(src, body, answer)
    } catch (error) {
      const { code, message: text } = answerable(error)
      this.#reply(src, body, { type: 'error', code, text })
    }
  }

  async close(): Promise<void> {
    await this.#replica?.close()
  }

  async #init({ node_id: name, node_ids: names }: Body): Promise<Body> {
    if (this.#name !== '') throw malformed('a node is initialized once')
    if (!Array.isArray(names) || typeof name !== 'string') throw malformed('node_id or node_ids is missing')
    // The same order at every node, however Maelstrom lists them.
    const nodes = (names as string[]).toSorted()
    const id = nodes.indexOf(name)
    if (id < 0 || nodes.length > MAX_REPLICAS) throw malformed(`1 to ${MAX_REPLICAS} nodes, this one among them`)
    this.#name = name
    const { engine, requestTimeoutMs, logger, failed } = this.#options
    const say = (dest: string, body: Body) => this.#say(dest, body)
    this.#replica = await MaelstromReplica.start({ nodes, id, engine, requestTimeoutMs, logger, say, failed })
    return { type: 'init_ok' }
  }

  async #answer(body: Body): Promise<Body> {
    if (this.#replica === null) throw new MaelstromError(MaelstromCode.temporarilyUnavailable, 'not initialized')
    const request = requestOf(body)
    return request.answer(await this.#replica.propose(request.command))
  }

  #reply(dest: string, { msg_id: number }: Body, body: Body): void {
    this.#say(dest, number === undefined ? body : { ...body, in_reply_to: number })
  }

  #say(dest: string, body: Body): void {
    this.#options.say({ src: this.#name, dest, body })
  }
}

/** Throws if the error is not the fault of the request. */
function answerable(error: unknown): MaelstromError {
  if (error instanceof MaelstromError) return error
  if (error instanceof EpaxosError) return malformed(error.message)
  throw error
}

function malformed(text: string): MaelstromError {
  return new MaelstromError(MaelstromCode.malformedRequest, text)
}
