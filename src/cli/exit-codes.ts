import type { ErrorCode } from '../errors.ts'

/** Of every command. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  /** It was done, but standard output could not be written. */
  outputLost: 3,
  unreachable: 4,
} as const

/** Of a replica. */
export const ReplicaExit = {
  stopped: 0,
  /** An invariant broke: a defect of this program. */
  internal: 1,
  configuration: 2,
  /** The data directory is locked, foreign or newer. */
  directory: 3,
  storage: 4,
  refusedByPeers: 5,
  /** Its state contradicts that of the others. */
  contradiction: 6,
} as const

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

const BY_CODE: { readonly [code in ErrorCode]?: number } = {
  configuration: ReplicaExit.configuration,
  unsupported_platform: ReplicaExit.configuration,
  resources: ReplicaExit.configuration,
  locked: ReplicaExit.directory,
  foreign_directory: ReplicaExit.directory,
  storage: ReplicaExit.storage,
  damaged: ReplicaExit.storage,
  disk_full: ReplicaExit.storage,
  refused_by_peers: ReplicaExit.refusedByPeers,
  contradiction: ReplicaExit.contradiction,
}

/** The exit code for the reason why a replica ended. */
export function replicaExit(error: unknown): number {
  const { code } = error as { code?: string }
  // The port is taken, or the address does not belong to this machine.
  if (code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || code === 'EACCES') return ReplicaExit.configuration
  return BY_CODE[code as ErrorCode] ?? ReplicaExit.internal
}
