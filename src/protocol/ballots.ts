import type { Context } from './context.ts'
import type { Instance } from './instance.ts'

/** The highest ballot. Twice this is still a whole number, so the ballot after any other can always be computed. */
export const MAX_BALLOT = 2 ** 52

/**
 * How far a ballot may be above those that a replica has heard of for the instance. A recovery adds a few, and the
 * recoveries of an instance begin seconds apart, so it takes years to get this far unheard.
 */
export const MAX_BALLOT_JUMP = 2 ** 32

/**
 * Whether a request names a ballot from too far above. It is dropped and counted, and the instance comes closer to it.
 * A correct sender repeats it and is heard in the end, but no single message uses the ballots up.
 */
export function jumps(context: Context, instance: Instance, ballot: number): boolean {
  const near = Math.max(instance.ballot, instance.seenBallot) + MAX_BALLOT_JUMP
  if (ballot <= near) return false
  instance.seenBallot = near
  context.counts.drops.ballot++
  return true
}

/**
 * Ballot 0 belongs to the initial coordinator of an instance, a ballot b > 0 to replica (b − 1) mod n (protocol.md §2).
 */
export function coordinatorOf(row: number, ballot: number, replicas: number): number {
  return ballot === 0 ? row : (ballot - 1) % replicas
}

/** The smallest ballot above `ballot` that belongs to the replica. */
export function nextBallot(ballot: number, replica: number, replicas: number): number {
  const next = Math.max(ballot + 1, 1)
  return next + ((replica - ((next - 1) % replicas) + replicas) % replicas)
}
