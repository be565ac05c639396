import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Member, type Membership, membership, rowOf } from './membership.ts'
import { MAX_REPLICAS } from './quorums.ts'

/** A replica that is to become a member, as it was found at its address. */
export interface Joiner {
  readonly address: string
  /** 16 random bytes, made with its data directory. */
  readonly incarnation: Uint8Array
}

/** What an operator asks for. Replacing is one step: the cluster is never smaller in between (protocol.md §11). */
export type Change =
  /** `returning`: the id of the replica that may return, if the joiner is that one. */
  | { readonly kind: 'add'; readonly joiner: Joiner; readonly returning?: number | undefined }
  /** `mayReturn`: it is removed because it stays away. */
  | { readonly kind: 'remove'; readonly id: number; readonly mayReturn?: boolean | undefined }
  | { readonly kind: 'replace'; readonly id: number; readonly joiner: Joiner }

/**
 * The membership after a change: that of the next epoch. Who stays keeps its id, and its place among those who stay; a
 * joiner gets an id that nobody ever had. In epoch 0, `incarnationOf` names the directories of the members.
 *
 * Throws an `EpaxosError` with code `bad_change` for a change that cannot be: of a member that is not there, the
 * removal of the last one, more members than there may be, a joiner that is a member already, or at the address of one
 * that stays, or a return of a replica that may not.
 */
export function changed(
  current: Membership,
  change: Change,
  incarnationOf: (member: Member) => Uint8Array = ({ incarnation }) => incarnation as Uint8Array,
): Membership {
  const leaver = change.kind === 'add' ? -1 : leaverOf(current, change.id)
  const members = current.members.map((member) => ({ ...member, incarnation: incarnationOf(member) }))
  if (change.kind === 'remove') {
    if (members.length === 1) throw refused(`replica ${change.id} is the last member: a cluster has at least one`)
    members.splice(leaver, 1)
    const mayReturn = change.mayReturn ? [...current.mayReturn, change.id].slice(-MAX_REPLICAS) : current.mayReturn
    return membership(current.epoch + 1, members, { nextId: current.nextId, mayReturn })
  }
  const { address, incarnation } = change.joiner
  const same = members.find((member) => isSameDirectory(member, incarnation))
  if (same !== undefined) throw refused(`the replica at ${address} is a member already: replica ${same.id}`)
  const neighbour = members.find((member, row) => row !== leaver && member.address === address)
  if (neighbour !== undefined) throw refused(`${address} is the address of replica ${neighbour.id}, which stays`)
  if (change.kind === 'add' && change.returning !== undefined && !current.mayReturn.includes(change.returning)) {
    throw refused(`replica ${change.returning} may not return by itself`)
  }
  const joined = { id: current.nextId, address, incarnation }
  if (change.kind === 'replace') members[leaver] = joined
  else if (members.length === MAX_REPLICAS) throw refused(`a cluster has at most ${MAX_REPLICAS} members`)
  else members.push(joined)
  const returning = change.kind === 'add' ? change.returning : undefined
  const mayReturn = current.mayReturn.filter((id) => id !== returning)
  return membership(current.epoch + 1, members, { nextId: current.nextId + 1, mayReturn })
}

/**
 * Whether `next` may follow `current`: what every replica checks when a Reconfigure executes, with the same outcome.
 * Nobody comes back, or gets the id of somebody else; a second change in one epoch is void, because the first one ended
 * it.
 */
export function mayFollow(current: Membership, next: Membership): boolean {
  // One id at most is used by a change, so nobody can use them all up.
  const isNextId = next.nextId === current.nextId || next.nextId === current.nextId + 1
  if (next.epoch !== current.epoch + 1 || !isNextId) return false
  return next.members.every(({ id, incarnation }) => {
    const isIts = (member: Member) => isSameDirectory(member, incarnation)
    const known = current.members[rowOf(current, id)]
    if (known === undefined) return id >= current.nextId && !current.members.some(isIts)
    return known.incarnation === null || isIts(known)
  })
}

/**
 * Whether the members that are up could decide anything at once. A change without this is refused unless it is forced:
 * the cluster would stand still until others come.
 */
export function hasQuorumUp({ members, quorums }: Membership, isUp: (member: Member) => boolean): boolean {
  return members.filter(isUp).length >= quorums.slow
}

function leaverOf(current: Membership, id: number): number {
  const row = rowOf(current, id)
  if (row >= 0) return row
  const ids = current.members.map((member) => member.id).join(', ')
  throw refused(`no member has the id ${id}: the members are ${ids}`)
}

function isSameDirectory(member: Member, incarnation: Uint8Array | null): boolean {
  return member.incarnation !== null && member.incarnation.join() === incarnation?.join()
}

function refused(why: string): EpaxosError {
  return new EpaxosError(ErrorCode.badChange, why)
}
