import type { ServerKind } from '../transport/server.ts'
import type { Durability, EngineKind } from './options.ts'

/** The answer of a replica to `GET /status`. */
export interface Status {
  readonly id: number
  readonly cluster: string
  /** The same at all members, and different at every other cluster; null until all members know each other. */
  readonly clusterId: string | null
  readonly epoch: number
  readonly ready: boolean
  /** Why it is not ready; empty if it is ready. */
  readonly reason: string
  readonly replicas: readonly { readonly id: number; readonly client: string; readonly up: boolean }[]
  /** Per row: every slot up to here is committed, or has executed, here. */
  readonly committed: readonly number[]
  readonly executed: readonly number[]
  readonly counts: {
    /** Own instances committed in one round trip, and those that needed a second one. */
    readonly fast: number
    readonly slow: number
    /** Instances that this replica committed by recovering them. */
    readonly recovered: number
    readonly noop: number
    /** Executed commands, and executed components of more than one instance. */
    readonly commands: number
    readonly cycles: number
    /** Messages dropped because they could not be read, or because no replica sends them. */
    readonly dropped: number
    /** Requests of peers beyond their allowance: not answered; the peer asks again. */
    readonly deferred: number
  }
  /**
   * What sessions keep for repetitions: the number of open sessions, their request numbers, and the cost of their
   * results.
   */
  readonly sessions: { readonly open: number; readonly numbers: number; readonly bytes: number }
  readonly oldestUncommittedMs: number
  readonly journalBytes: number
  /** How long the last replay of the journal took. */
  readonly replayMs: number
  readonly durability: Durability
  readonly engine: EngineKind
  /** The server of the peer port. */
  readonly server: ServerKind
  /** Equal at replicas that have executed the same. */
  readonly stateHash: string
}
