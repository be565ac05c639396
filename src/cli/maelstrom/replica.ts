import type { Engine } from '../../engine/engine.ts'
import { loadEngine, ReferenceEngine } from '../../engine/index.ts'
import { Executor } from '../../execution/executor.ts'
import { encodeGroup } from '../../execution/groups.ts'
import { ResultReader } from '../../execution/results.ts'
import { realClock } from '../../node/clock.ts'
import { Driver } from '../../node/driver.ts'
import type { EngineKind } from '../../node/options.ts'
import { type Answer, Proposals } from '../../node/proposals.ts'
import { Core } from '../../protocol/core.ts'
import { DEFAULT_TIMING } from '../../protocol/timing.ts'
import { MaelstromMachine } from './machine.ts'
import { MaelstromCode, MaelstromError } from './messages.ts'
import type { MaelstromTransport } from './transport.ts'

/** Own instances that may be unexecuted at a time. */
const WINDOW = 16
/** Between looks at deadlines. */
const POLL_MS = 25

export interface MaelstromReplicaOptions {
  readonly id: number
  readonly replicas: number
  readonly engine: EngineKind
  readonly requestTimeoutMs: number
  readonly transport: MaelstromTransport
  /** For people: a message was dropped. */
  readonly dropped: (what: string) => void
  /** An invariant broke: the replica has stopped. */
  readonly failed: (error: Error) => void
}

/** A replica like `Replica`, put together for a network that is nothing but messages, without a disk. */
export class MaelstromReplica {
  readonly #options: MaelstromReplicaOptions
  readonly #core: Core
  readonly #proposals: Proposals
  readonly #driver: Driver
  readonly #stopPolling: () => void

  static async start(options: MaelstromReplicaOptions): Promise<MaelstromReplica> {
    const { engine, replicas } = options
    return new MaelstromReplica(
      options,
      engine === 'wasm' ? await loadEngine({ replicas }) : new ReferenceEngine(replicas),
    )
  }

  private constructor(options: MaelstromReplicaOptions, engine: Engine) {
    const { id, replicas, transport, dropped, failed } = options
    const machine = new MaelstromMachine()
    this.#options = options
    this.#core = new Core({ id, replicas, engine, timing: DEFAULT_TIMING, random: Math.random, readBatch: null })
    this.#proposals = new Proposals(machine, WINDOW)
    const executor = new Executor({
      engine,
      machine,
      ownRow: id,
      batchOf: (row, slot) => this.#core.batchToExecute(row, slot),
      onExecuted: (row, slot, results) => {
        this.#core.executed(row, slot)
        if (results !== null) this.#proposals.executed(slot, results)
      },
    })
    const parts = { core: this.#core, executor, proposals: this.#proposals, transport, clock: realClock }
    this.#driver = new Driver({ ...parts, journal: null, replicas, dropped, failed, turned: () => {} })
    transport.start({ frame: (from, bytes) => this.#driver.frame(from, bytes), dropped })
    this.#driver.start()
    for (let peer = 0; peer < replicas; peer++) if (peer !== id) this.#driver.linkUp(peer)
    this.#stopPolling = realClock.every(POLL_MS, () => this.#proposals.expire(realClock.now()))
  }

  /** Resolves with the command's result; rejects with a {@link MaelstromError}, or with the `EpaxosError` of a command that is refused. */
  propose(command: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (!this.#core.hasQuorum) {
        throw new MaelstromError(MaelstromCode.temporarilyUnavailable, 'no quorum of nodes is heard')
      }
      const deadlineMs = realClock.now() + this.#options.requestTimeoutMs
      this.#proposals.submit(encodeGroup([command]), deadlineMs, (answer) => {
        if (answer.outcome === 'done') resolve(onlyResult(answer.results))
        else reject(refusal(answer))
      })
      this.#driver.arm()
    })
  }

  stop(): void {
    this.#stopPolling()
    this.#driver.stop()
  }
}

function onlyResult(results: Uint8Array): Uint8Array {
  const reader = new ResultReader(results)
  reader.next()
  return reader.result.slice()
}

function refusal({ outcome, message }: Exclude<Answer, { outcome: 'done' }>): MaelstromError {
  const code = outcome === 'unknown' ? MaelstromCode.timeout : MaelstromCode.temporarilyUnavailable
  return new MaelstromError(code, message)
}
