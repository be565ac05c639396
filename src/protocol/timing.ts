/** Every interval of the protocol, in ms. None is a matter of safety. */
export interface Timing {
  /** Between heartbeats. */
  readonly heartbeatMs: number
  /** For this long a record that nothing waits for is kept back, so that it costs no sync of its own. */
  readonly lazyMs: number
  /** Between looks at what is open. */
  readonly lookMs: number
  /** A peer that is silent for longer is not waited for. */
  readonly suspectMs: number
  /** An uncommitted instance whose coordinator is up is nudged after this; doubled for each further try. */
  readonly retryMs: number
  /** The same where its coordinator is down. */
  readonly recoverMs: number
  /** The longest pause between two tries. */
  readonly maxRetryMs: number
  /** The longest hope for a fast quorum, or for a straggler in a recovery, beyond the first quorum of answers. */
  readonly patienceMs: number
  /** A row whose commits are behind a peer's for this long is asked for. */
  readonly askMs: number
}

export const DEFAULT_TIMING: Timing = {
  heartbeatMs: 100,
  lazyMs: 50,
  lookMs: 10,
  suspectMs: 450,
  retryMs: 300,
  recoverMs: 60,
  maxRetryMs: 2000,
  patienceMs: 250,
  askMs: 100,
}
