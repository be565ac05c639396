/** Sets of replicas, as bits. A vote is a member, never a count, so a repeated message changes nothing (scenario 6). */
export type Votes = number

export function addVote(votes: Votes, replica: number): Votes {
  return votes | (1 << replica)
}

export function hasVote(votes: Votes, replica: number): boolean {
  return (votes & (1 << replica)) !== 0
}

export function countVotes(votes: Votes): number {
  let count = 0
  for (let rest = votes; rest !== 0; rest &= rest - 1) count++
  return count
}
