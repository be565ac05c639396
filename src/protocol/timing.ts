/** Every interval of the protocol, in ms. None affects safety. */
export interface Timing {
  /** Between heartbeats. */
  readonly heartbeatMs: number
  /** A record that nothing waits for is held back for this long, so that it costs no sync of its own. */
  readonly lazyMs: number
  /** The interval between checks of what is open. */
  readonly lookMs: number
  /** The core does not wait for a peer that is silent for longer. */
  readonly suspectMs: number
  /** An uncommitted instance whose coordinator is up is nudged after this time; doubled for each further try. */
  readonly retryMs: number
  /** The same if its coordinator is down. */
  readonly recoverMs: number
  /** The longest pause between two tries. */
  readonly maxRetryMs: number
  /** The longest wait for a fast quorum, or for a straggler in a recovery, after the first quorum of answers. */
  readonly patienceMs: number
  /** If a row's commits are behind those of a peer for this long, the replica asks for them. */
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
