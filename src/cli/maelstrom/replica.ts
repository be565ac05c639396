import { randomBytes } from 'node:crypto'
import { INCARNATION_BYTES, START_NONCE_BYTES } from '../../codec/limits.ts'
import { loadEngine, ReferenceEngine } from '../../engine/index.ts'
import { ErrorCode } from '../../errors.ts'
import { encodeGroup } from '../../execution/groups.ts'
import { ResultReader } from '../../execution/results.ts'
import { realClock } from '../../node/clock.ts'
import type { Logger } from '../../node/logger.ts'
import type { EngineKind } from '../../node/options.ts'
import type { Answer } from '../../node/requests.ts'
import { Seat } from '../../node/seat.ts'
import { foundingMembers } from '../../protocol/membership.ts'
import { MaelstromMachine } from './machine.ts'
import { type Body, MaelstromCode, MaelstromError } from './messages.ts'
import { MaelstromTransport } from './transport.ts'

export interface MaelstromReplicaOptions {
  /** Names of all nodes. The id of a node is its position, the same at every node. */
  readonly nodes: readonly string[]
  readonly id: number
  readonly engine: EngineKind
  readonly requestTimeoutMs: number
  readonly logger: Logger
  readonly say: (dest: string, body: Body) => void
  /** An invariant broke: the replica has stopped. */
  readonly failed: (error: Error) => void
}

/** A member as in any other cluster, without a disk, on a network that only carries messages. */
export class MaelstromReplica {
  readonly #member: Seat
  readonly #transport: MaelstromTransport

  static async start(options: MaelstromReplicaOptions): Promise<MaelstromReplica> {
    const { nodes, id, say } = options
    const incarnation = randomBytes(INCARNATION_BYTES)
    const members = foundingMembers(nodes)
    const identity = { cluster: 'maelstrom', members, id, incarnation, address: '', clientUrl: '' }
    const transport = new MaelstromTransport({ nodes, identity, say })
    const engine =
      options.engine === 'wasm' ? await loadEngine({ replicas: nodes.length }) : new ReferenceEngine(nodes.length)
    const { requestTimeoutMs, logger, failed } = options
    const member = new Seat({
      ...{ identity, engine, transport, requestTimeoutMs, logger, failed },
      startNonce: randomBytes(START_NONCE_BYTES),
      machine: new MaelstromMachine(),
      journal: null,
      clock: realClock,
      random: Math.random,
    })
    await member.start()
    return new MaelstromReplica(member, transport)
  }

  private constructor(member: Seat, transport: MaelstromTransport) {
    this.#member = member
    this.#transport = transport
  }

  /** A message of another node. */
  receive(src: string, body: Body): void {
    this.#transport.receive(src, body)
  }

  /** Resolves with the command's result; rejects with a {@link MaelstromError}. */
  propose(command: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#member.submit(encodeGroup([command]), (answer) => {
        if (answer.outcome === 'done') resolve(onlyResult(answer.results))
        else reject(refusal(answer))
      })
    })
  }

  close(): Promise<void> {
    return this.#member.close()
  }
}

function onlyResult(results: Uint8Array): Uint8Array {
  const reader = new ResultReader(results)
  reader.next()
  return reader.result.slice()
}

function refusal({ outcome, code, message }: Exclude<Answer, { outcome: 'done' }>): MaelstromError {
  if (outcome === 'unknown') return new MaelstromError(MaelstromCode.timeout, message)
  const isFault = code === ErrorCode.badCommand || code === ErrorCode.tooLarge
  return new MaelstromError(isFault ? MaelstromCode.malformedRequest : MaelstromCode.temporarilyUnavailable, message)
}
