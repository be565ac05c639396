/** The highest ballot. Twice as high is still a whole number, so the ballot after any other can always be computed. */
export const MAX_BALLOT = 2 ** 52

/**
 * How far a ballot may be above those that a replica has heard of. A recovery goes up by a few, and recoveries of one
 * instance begin seconds apart: it takes years to come this far unheard. So no single message can use the ballots up.
 */
export const MAX_BALLOT_JUMP = 2 ** 32

/** Ballot 0 belongs to the initial coordinator of an instance, a ballot b > 0 to replica (b − 1) mod n (protocol.md §2). */
export function coordinatorOf(row: number, ballot: number, replicas: number): number {
  return ballot === 0 ? row : (ballot - 1) % replicas
}

/** The smallest ballot above `ballot` that belongs to the replica. */
export function nextBallot(ballot: number, replica: number, replicas: number): number {
  const next = Math.max(ballot + 1, 1)
  return next + ((replica - ((next - 1) % replicas) + replicas) % replicas)
}
