/**
 * Every error that leaves this package has a stable `code`: programs match on the code, people read the message.
 */
export const ErrorCode = {
  /** A flag, an environment variable, a configuration file or an option is wrong. */
  configuration: 'configuration',
  /** The data directory belongs to another cluster or replica, or to a newer format. */
  foreignDirectory: 'foreign_directory',
  /** Another process uses the data directory. */
  locked: 'locked',
  /** The disk is nearly full: updates are certainly not done until there is space again. */
  diskFull: 'disk_full',
  /** Reading or writing the journal failed: the replica stops, nothing that was answered is lost. */
  storage: 'storage',
  /** The system gives this process too little memory, addresses or file descriptors (`ulimit`). */
  resources: 'resources',
  /** A record of the journal is damaged. */
  damaged: 'damaged',
  /** Bytes from a socket or a disk are not what they should be. */
  malformed: 'malformed',
  /** More than f members of its cluster refuse this replica: they know it with another data directory, or with a later start. */
  refusedByPeers: 'refused_by_peers',
  /** The peers' state, or what they committed, contradicts this replica's: it stops. */
  contradiction: 'contradiction',
  /** The command cannot be read by the state machine. */
  badCommand: 'bad_command',
  /** The value is no counter, or the sum is beyond ±(2⁵³−1): nothing was changed. */
  notCounter: 'not_counter',
  /** There is no such key, or no such path. */
  notFound: 'not_found',
  /** The path takes other HTTP methods. */
  methodNotAllowed: 'method_not_allowed',
  /** A page of another origin asks. */
  forbidden: 'forbidden',
  /** Larger than a limit. */
  tooLarge: 'too_large',
  /** Too much is waiting already, or not acknowledged in a session: the outcome says whether it is certainly not done. */
  busy: 'busy',
  /** Not replayed yet, or no quorum: certainly not done. */
  notReady: 'not_ready',
  /** Not answered in time: it may be done, or be done later. */
  timeout: 'timeout',
  /** The request number was acknowledged before, or its session was closed: not done again, but it may have been done before. */
  sessionExpired: 'session_expired',
  /** The request was done before, and its result is not kept any more. */
  resultGone: 'result_gone',
  /** The replica or the client is being closed. */
  closed: 'closed',
  /** No replica could be reached. */
  unreachable: 'unreachable',
  /** The replica belongs to another cluster than the one that the client knows: nothing was sent to it. */
  foreignCluster: 'foreign_cluster',
  /** The secret is missing or wrong. */
  unauthorized: 'unauthorized',
  /** Platform without a binary of a native dependency. */
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

/** A command that was not answered with a result. */
export class CommandError extends EpaxosError {
  override readonly name = 'CommandError'
  readonly outcome: Outcome

  constructor(code: ErrorCode, outcome: Outcome, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.outcome = outcome
  }
}
