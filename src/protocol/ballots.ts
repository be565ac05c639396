/** Ballot 0 belongs to the initial coordinator of an instance, a ballot b > 0 to replica (b − 1) mod n (protocol.md §2). */
export function coordinatorOf(row: number, ballot: number, replicas: number): number {
  return ballot === 0 ? row : (ballot - 1) % replicas
}

/** The smallest ballot above `ballot` that belongs to the replica. */
export function nextBallot(ballot: number, replica: number, replicas: number): number {
  const next = Math.max(ballot + 1, 1)
  return next + ((replica - ((next - 1) % replicas) + replicas) % replicas)
}
