/**
 * Every error that leaves this package has a stable `code`: programs match on the code, people read the message.
 */
export const ErrorCode = {
  /** A flag, an environment variable, a configuration file or an option is wrong. */
  configuration: 'configuration',
  /** The data directory belongs to another cluster or replica, or has a newer format. */
  foreignDirectory: 'foreign_directory',
  /** A file or a directory that is to be made is there already, and is not empty: it is left as it is. */
  exists: 'exists',
  /** A file is not a backup. */
  notBackup: 'not_a_backup',
  /** A backup was written by another version, whose format this one does not read. */
  wrongFormat: 'wrong_format',
  /** Another process uses the data directory. */
  locked: 'locked',
  /** The disk is nearly full: updates are certainly not done until there is space again. */
  diskFull: 'disk_full',
  /** Reading or writing the journal failed: the replica stops, and nothing that was answered is lost. */
  storage: 'storage',
  /** The system gives this process too little memory, addresses or file descriptors (`ulimit`). */
  resources: 'resources',
  /** A record of the journal is damaged. */
  damaged: 'damaged',
  /** Bytes from a socket or a disk are not what they should be. */
  malformed: 'malformed',
  /**
   * More than f members of its cluster refuse this replica: they know it with another data directory, or with a later
   * start. Or one replica that was asked who it is does not fit this one, or refuses it.
   */
  refusedByPeers: 'refused_by_peers',
  /** The state of the peers, or what they committed, contradicts this replica: it stops. */
  contradiction: 'contradiction',
  /** The state machine cannot read the command. */
  badCommand: 'bad_command',
  /** The value is not a counter, or the sum is beyond ±(2⁵³−1): nothing was changed. */
  notCounter: 'not_counter',
  /** There is no such key, or no such path. */
  notFound: 'not_found',
  /** The path has other HTTP methods. */
  methodNotAllowed: 'method_not_allowed',
  /** The request comes from a page of another origin. */
  forbidden: 'forbidden',
  /** Larger than a limit. */
  tooLarge: 'too_large',
  /** Too much is waiting, or is not acknowledged in a session. The outcome says whether it is certainly not done. */
  busy: 'busy',
  /** Not replayed yet, or no quorum: certainly not done. */
  notReady: 'not_ready',
  /** Not answered in time: it may be done, now or later. */
  timeout: 'timeout',
  /**
   * The request number was acknowledged before, or its session was closed: it was not done again, but may have been
   * done before.
   */
  sessionExpired: 'session_expired',
  /** The request was done before, and its result is no longer kept. */
  resultGone: 'result_gone',
  /** The replica or the client is being closed. */
  closed: 'closed',
  /** No replica could be reached. */
  unreachable: 'unreachable',
  /** The replica does not belong to the client's cluster: nothing was sent to it. */
  foreignCluster: 'foreign_cluster',
  /** The secret is missing or wrong. */
  unauthorized: 'unauthorized',
  /** A change of the members that cannot be: nothing was changed. */
  badChange: 'bad_change',
  /** Fewer than a quorum of the members that a change would leave are up: nothing was changed. */
  noQuorum: 'no_quorum',
  /** This replica was removed from its cluster: it stops. */
  removed: 'removed',
  /** A native dependency has no binary for this platform. */
  unsupportedPlatform: 'unsupported_platform',
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** For clients: `refused` is certainly not done, `unknown` may be done. */
export type Outcome = 'refused' | 'unknown'

export class EpaxosError extends Error {
  override readonly name: string = 'EpaxosError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A command that got no result. */
export class CommandError extends EpaxosError {
  override readonly name = 'CommandError'
  readonly outcome: Outcome

  constructor(code: ErrorCode, outcome: Outcome, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.outcome = outcome
  }
}
