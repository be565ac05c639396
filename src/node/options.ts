import { EpaxosError } from '../errors.ts'
import type { StateMachine } from '../execution/machine.ts'
import { MAX_REPLICAS } from '../protocol/quorums.ts'
import { type Address, parseAddress } from '../transport/links.ts'
import type { ServerKind } from '../transport/server.ts'
import { formatAddress, isLoopback, whyNotAdvertised } from './addresses.ts'
import { HELD_LIMIT_BYTES } from './held-limit.ts'
import { type Logger, SILENT } from './logger.ts'
import { SESSION_LIFETIME_MS } from './member-options.ts'

export type Durability = 'fsync' | 'memory'
export type EngineKind = 'wasm' | 'reference'

export interface ReplicaOptions {
  /** One of the replicas that found the cluster: its position in `peers`, from 0. */
  readonly id?: number
  /** Where each of the replicas that found the cluster, including this one, listens for the others, `HOST:PORT`. */
  readonly peers?: readonly string[]
  /**
   * A replica that joins a running cluster, instead of `id` and `peers`: where it listens for the members, `HOST:PORT`.
   * It waits until the members take it in (`Replica.change`, `epaxos members`), and gets its id from them.
   */
  readonly join?: string
  /** The data directory; needed for durability `fsync`. */
  readonly data?: string
  readonly machine: StateMachine
  /** The name of the cluster: replicas of another cluster are refused. Default `local`. */
  readonly cluster?: string
  /**
   * `fsync` (default): what was answered survives. `memory`: nothing survives the process, which must not come back
   * under its id.
   */
  readonly durability?: Durability
  readonly engine?: EngineKind
  /**
   * The server of the peer port: `uws` (uWebSockets.js) or `node` (`node:http`). Default: `uws` if its binary loads.
   */
  readonly server?: ServerKind
  /** Shared by all replicas and their clients; needed beyond loopback. */
  readonly secret?: Uint8Array | string
  /** After this time a command is answered as unknown. Default 2000. */
  readonly requestTimeoutMs?: number
  /**
   * How long a session is remembered after its last use, at least. It holds for the cluster as soon as a majority says
   * so. Default 86,400,000, a day; at least a minute.
   */
  readonly sessionLifetimeMs?: number
  /**
   * How much memory may be kept for members that stay away, in bytes: beyond that, the one for which the most is kept
   * is removed from the cluster. Default 1,073,741,824; 0 for no limit.
   */
  readonly heldLimitBytes?: number
  /**
   * The URL at which clients reach this replica; clients and the other replicas learn it. By default they learn
   * nothing.
   */
  readonly advertise?: string
  readonly logger?: Logger
  /**
   * Called once if the replica has stopped by itself: the storage failed, the peers refused it, or an invariant broke.
   */
  readonly onFailure?: (error: Error) => void
}

/** A duplicate of a request may be on its way for many times the request timeout. */
export const MIN_SESSION_LIFETIME_MS = 60_000

export interface ResolvedOptions {
  /** Null for a joiner. */
  readonly id: number | null
  /** Of the replicas that found the cluster, by id; empty for a joiner. */
  readonly peers: readonly Address[]
  /** Where it listens for the other replicas. */
  readonly listen: Address
  readonly data: string | null
  readonly machine: StateMachine
  readonly cluster: string
  readonly durability: Durability
  readonly engine: EngineKind
  /** Null to choose automatically. */
  readonly server: ServerKind | null
  readonly secret: Uint8Array | null
  readonly requestTimeoutMs: number
  readonly sessionLifetimeMs: number
  readonly heldLimitBytes: number
  /** Empty if nothing is advertised. */
  readonly clientUrl: string
  readonly logger: Logger
  readonly onFailure: (error: Error) => void
}

const CLUSTER_NAME = /^[A-Za-z0-9._-]{1,64}$/

export function isClusterName(text: string): boolean {
  return CLUSTER_NAME.test(text)
}

/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Checks the options and fills in the defaults. Throws an `EpaxosError` with code `configuration`. */
export function resolveOptions(options: ReplicaOptions): ResolvedOptions {
  const { machine, cluster = 'local', durability = 'fsync', engine = 'wasm', server } = options
  const place = options.join === undefined ? founderOf(options) : joinerOf(options, options.join)
  check(isClusterName(cluster), `not a cluster's name (letters, digits, . _ -): ${cluster}`)
  check(durability === 'fsync' || durability === 'memory', `durability is fsync or memory, not ${durability}`)
  check(engine === 'wasm' || engine === 'reference', `engine is wasm or reference, not ${engine}`)
  check(server === undefined || server === 'uws' || server === 'node', `server is uws or node, not ${server}`)
  check(durability === 'memory' || Boolean(options.data), 'durability fsync needs a data directory')
  const requestTimeoutMs = options.requestTimeoutMs ?? 2000
  const isTimeout = requestTimeoutMs >= 1 && requestTimeoutMs <= MAX_TIMER_MS
  check(isTimeout, `not a timeout from 1 to ${MAX_TIMER_MS} ms: ${requestTimeoutMs}`)
  const sessionLifetimeMs = options.sessionLifetimeMs ?? SESSION_LIFETIME_MS
  const isLifetime = sessionLifetimeMs >= MIN_SESSION_LIFETIME_MS && Number.isSafeInteger(sessionLifetimeMs)
  check(isLifetime, `a session lives for at least ${MIN_SESSION_LIFETIME_MS} ms: ${sessionLifetimeMs}`)
  const { heldLimitBytes = HELD_LIMIT_BYTES } = options
  const isLimit = Number.isSafeInteger(heldLimitBytes) && heldLimitBytes >= 0
  check(isLimit, `not a number of bytes that may be held: ${heldLimitBytes}`)
  const secret =
    typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : (options.secret ?? null)
  check(secret === null || secret.length >= 8, 'a secret has at least 8 bytes')
  const { advertise = '' } = options
  const wrongUrl = advertise === '' ? null : whyNotAdvertised(advertise)
  check(wrongUrl === null, `the URL to advertise ${wrongUrl}: ${advertise.slice(0, 300)}`)
  const { host } = place.listen
  check(isLoopback(host) || secret !== null, `listening beyond loopback (${host}) needs a secret`)
  return {
    ...place,
    data: durability === 'fsync' ? (options.data as string) : null,
    machine,
    cluster,
    durability,
    engine,
    server: server ?? null,
    secret,
    requestTimeoutMs,
    sessionLifetimeMs,
    heldLimitBytes,
    clientUrl: advertise,
    logger: options.logger ?? SILENT,
    onFailure: options.onFailure ?? (() => {}),
  }
}

type Place = Pick<ResolvedOptions, 'id' | 'peers' | 'listen'>

function founderOf({ id, peers: texts }: ReplicaOptions): Place {
  check(id !== undefined && texts !== undefined, 'a replica has an id and peers, or join')
  const peers = texts.map(parseAddress)
  check(peers.length >= 1 && peers.length <= MAX_REPLICAS, `1 to ${MAX_REPLICAS} peers, not ${peers.length}`)
  check(Number.isInteger(id) && id >= 0 && id < peers.length, `id ${id} is not a position in ${peers.length} peers`)
  check(new Set(peers.map(formatAddress)).size === peers.length, 'an address occurs twice among the peers')
  return { id, peers, listen: peers[id] as Address }
}

function joinerOf({ id, peers, durability }: ReplicaOptions, join: string): Place {
  check(id === undefined && peers === undefined, 'join is instead of id and peers')
  check(durability !== 'memory', 'a replica with durability memory cannot join: it would not come back as a member')
  const listen = parseAddress(join)
  check(listen.port !== 0, `join needs a port that the members can know, not 0: ${join}`)
  return { id: null, peers: [], listen }
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new EpaxosError('configuration', what)
}
