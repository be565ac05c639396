import type { Vector } from '../engine/engine.ts'
import type { Batch, Conflict, RecoverOk } from './messages.ts'
import type { Votes } from './votes.ts'

/**
 * What a replica does as the coordinator of an instance: one state at a time, each with only its own fields. An attempt
 * belongs to one ballot. It is over when the replica promises a higher ballot or learns the outcome.
 */
export type Attempt = PreAccepting | Accepting | Recovering | Validating | Waiting

interface Common {
  readonly ballot: number
  /** The replicas that have the batch: it is not sent to them again. */
  holders: Votes
  /** When its messages were last sent, in ms. */
  sentMs: number
}

/** Ballot 0: PreAccept was sent; counts the answers (protocol.md §3). */
export interface PreAccepting extends Common {
  readonly kind: 'preAccepting'
  answered: Votes
  /** Those of `answered` whose dependencies equal the initial ones. */
  equal: Votes
  /** Peers that have promised a ballot above 0: they will not answer any more. */
  refused: Votes
  /** The union of the dependencies of `answered`. */
  union: Vector
  /** Once a slow quorum has answered: until when the coordinator waits for a fast one, in ms; 0 before. */
  patienceMs: number
}

/** Accept was sent; counts the votes. */
export interface Accepting extends Common {
  readonly kind: 'accepting'
  votes: Votes
  readonly recovery: boolean
}

/** Recover was sent; gathers the answers of Q (protocol.md §4). */
export interface Recovering extends Common {
  readonly kind: 'recovering'
  readonly answers: (RecoverOk | undefined)[]
  answered: Votes
  /** Once a quorum has answered: until when the recoverer waits for stragglers, in ms; 0 before. */
  patienceMs: number
}

interface Validated extends Common {
  /** Q. */
  readonly quorum: Votes
  /** |R|. */
  readonly count: number
  readonly batch: Batch
  readonly deps: Vector
  /** RecoverOks of this ballot that came from outside Q, after the decision on it. */
  readonly late: { readonly from: number; readonly answer: RecoverOk }[]
}

/** Validate was sent to Q; gathers what invalidates the command. */
export interface Validating extends Validated {
  readonly kind: 'validating'
  answered: Votes
  /** I, by instance. */
  readonly conflicts: Map<string, Conflict>
}

/** Waiting was sent; the outcome depends on the instances of I. */
export interface Waiting extends Validated {
  readonly kind: 'waiting'
  /** The instances of I that are not known to be harmless. */
  conflicts: readonly Conflict[]
}
