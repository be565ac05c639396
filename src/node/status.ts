import type { StatusNumbers } from '../metrics/table.ts'
import type { ServerKind } from '../transport/server.ts'
import type { Members } from './members.ts'
import type { Durability, EngineKind } from './options.ts'

/** The answer of a replica to `GET /status`. */
export interface Status extends StatusNumbers {
  /** Null while it belongs to no cluster: a joiner. */
  readonly id: number | null
  readonly cluster: string
  /** The same at all members, and different at every other cluster; null until all members know each other. */
  readonly clusterId: string | null
  readonly ready: boolean
  /** Why it is not ready; empty if it is ready. */
  readonly reason: string
  /** The members, by row: as vectors are. */
  readonly replicas: readonly Pick<Members['members'][number], 'id' | 'client' | 'up'>[]
  readonly durability: Durability
  readonly engine: EngineKind
  /** The server of the peer port. */
  readonly server: ServerKind
  /** Equal at replicas that have executed the same. */
  readonly stateHash: string
}
