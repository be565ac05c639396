import type { ErrorCode } from './errors.ts'

/**
 * What the code of an error means outside of the library: as an HTTP status, and as the exit code of a command or of a
 * replica. Which errors the results of commands stand for: `errorOf` (execution/results.ts) and `failureOf`
 * (machine/command-results.ts).
 */
export interface Meaning {
  /** The HTTP status if the request is certainly not done; {@link UNKNOWN_STATUS} if it may be done. */
  readonly status: number
  /** The exit code of a command, such as `epaxos put`; see `CommandExit`. */
  readonly command: number
  /** The exit code of a replica that ends for this reason; see `ReplicaExit`. */
  readonly replica: number
}

/** The exit codes of `put`, `get`, `del`, `incr` and `cas`. */
export const CommandExit = {
  done: 0,
  /** Not found, or a condition was not met. */
  unmet: 1,
  usage: 2,
  /** It may be done, now or later. */
  unknown: 3,
  /** Certainly not done. */
  refused: 4,
} as const

/** The exit codes of a replica. */
export const ReplicaExit = {
  stopped: 0,
  /** An invariant broke: a defect of this program. */
  internal: 1,
  configuration: 2,
  /** The data directory is locked, foreign or newer. */
  directory: 3,
  storage: 4,
  /** Its peers refuse it, or it was removed from the cluster. */
  refusedByPeers: 5,
  /** Its state contradicts that of the others. */
  contradiction: 6,
} as const

/** Of a request that may be done, whatever the code. */
export const UNKNOWN_STATUS = 504

const { refused, unmet, usage } = CommandExit
const { internal, configuration, directory, storage, refusedByPeers, contradiction } = ReplicaExit

export const MEANINGS: { readonly [code in ErrorCode]: Meaning } = {
  configuration: { status: 500, command: refused, replica: configuration },
  foreign_directory: { status: 500, command: refused, replica: directory },
  exists: { status: 500, command: refused, replica: directory },
  not_a_backup: { status: 500, command: refused, replica: directory },
  wrong_format: { status: 500, command: refused, replica: directory },
  locked: { status: 500, command: refused, replica: directory },
  disk_full: { status: 503, command: refused, replica: storage },
  storage: { status: 500, command: refused, replica: storage },
  resources: { status: 500, command: refused, replica: configuration },
  damaged: { status: 500, command: refused, replica: storage },
  malformed: { status: 400, command: usage, replica: internal },
  refused_by_peers: { status: 500, command: refused, replica: refusedByPeers },
  contradiction: { status: 500, command: refused, replica: contradiction },
  bad_command: { status: 400, command: usage, replica: internal },
  not_counter: { status: 409, command: unmet, replica: internal },
  not_found: { status: 404, command: unmet, replica: internal },
  method_not_allowed: { status: 405, command: refused, replica: internal },
  forbidden: { status: 403, command: refused, replica: internal },
  too_large: { status: 413, command: usage, replica: internal },
  busy: { status: 429, command: refused, replica: internal },
  not_ready: { status: 503, command: refused, replica: internal },
  timeout: { status: 500, command: refused, replica: internal },
  session_expired: { status: 500, command: refused, replica: internal },
  result_gone: { status: 500, command: refused, replica: internal },
  closed: { status: 503, command: refused, replica: internal },
  unreachable: { status: 503, command: refused, replica: internal },
  foreign_cluster: { status: 500, command: refused, replica: internal },
  unauthorized: { status: 401, command: refused, replica: internal },
  bad_change: { status: 409, command: unmet, replica: internal },
  no_quorum: { status: 503, command: refused, replica: internal },
  removed: { status: 503, command: refused, replica: refusedByPeers },
  unsupported_platform: { status: 500, command: refused, replica: configuration },
}

/** The exit code of a command whose HTTP request was answered with this status, of an error. */
export function commandExit(status: number): number {
  if (status === UNKNOWN_STATUS) return CommandExit.unknown
  return Object.values(MEANINGS).find((meaning) => meaning.status === status)?.command ?? CommandExit.refused
}

/** The exit code for the reason why a replica ended. */
export function replicaExit(error: unknown): number {
  const { code } = error as { code?: string }
  // The port is taken, or the address does not belong to this machine.
  if (code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || code === 'EACCES') return ReplicaExit.configuration
  return MEANINGS[code as ErrorCode]?.replica ?? ReplicaExit.internal
}
