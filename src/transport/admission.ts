import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import type { Claim, Identity, Refusal, Standing } from './transport.ts'

/** A claim with the version of its format. */
export interface Versioned extends Claim {
  readonly version: number
}

/**
 * All that a replica says about itself in a handshake. A joiner says nothing of a cluster, and the id under which the
 * other side knows it.
 *
 * @param as the id that a joiner says
 */
export function claimOf({ members, ...own }: Identity, standing: Standing, as: number): Claim {
  const identity = { durable: true, ...own }
  if (members === null) {
    return { ...identity, ...standing, id: as, epoch: 0, replicas: 0, clusterId: null, founded: false }
  }
  const { epoch, quorums } = members
  return { ...identity, epoch, replicas: quorums.replicas, ...standing }
}

/**
 * Throws an `EpaxosError` with code `configuration` for an identity that is neither that of a member nor that of a
 * joiner, and for a joiner that would dial: it has no id to say.
 */
export function checkIdentity({ id, members }: Identity, peers: ReadonlyMap<number, string>): void {
  if (members === null && id === -1 && peers.size === 0) return
  if (members !== null && (rowOf(members, id) >= 0 || (members.epoch > 0 && id >= 0))) return
  const what = members === null ? 'for a joiner, or peers' : `in a cluster of ${members.quorums.replicas}`
  throw new EpaxosError(ErrorCode.configuration, `id ${id} ${what}`)
}

/**
 * The id that a replica says when it dials a peer. Throws an `EpaxosError` with code `configuration` for the peer's own
 * id, and if a joiner has none to say.
 */
export function saidId({ id, members }: Identity, peer: number, as = -1): number {
  const said = members === null ? as : id
  if (Number.isSafeInteger(said) && said >= 0 && said !== peer) return said
  throw new EpaxosError(ErrorCode.configuration, `replica ${peer} cannot be dialled as replica ${said}`)
}

/** Whether a replica belongs to no cluster, by what it says. */
export function isJoiner({ replicas }: Pick<Claim, 'replicas'>): boolean {
  return replicas === 0
}

/**
 * Why the dialler of an incoming link is refused, before its secret and its directory are checked; null if it is not
 * refused. Whoever is of another epoch, or a joiner, need not be a member here: `admit` decides.
 */
export function refusalOfDialler(own: Identity, dialler: Versioned, dialled: number): Refusal | null {
  const isMeant = own.members === null || dialled === own.id
  const members = sharedMembers(own, dialler)
  // A replica that was removed is of the epoch that it was removed by.
  const isKnown = members === null || members.epoch > 0 || rowOf(members, dialler.id) >= 0
  return mismatch(own, dialler, isMeant && dialler.id !== dialled && isKnown)
}

/** Why there is no link to the replica that answered at the address of `dialled`; null if nothing prevents it. */
export function refusalOfDialled(own: Identity, answered: Versioned, dialled: number): Refusal | null {
  return mismatch(own, answered, answered.id === dialled)
}

/** The members of the epoch that both replicas are in; null if they are in different ones, or one is a joiner. */
function sharedMembers({ members }: Identity, theirs: Claim): Membership | null {
  return members === null || isJoiner(theirs) || theirs.epoch !== members.epoch ? null : members
}

/** Always in this order, so that every implementation gives the same reason. */
function mismatch(own: Identity, theirs: Versioned, rowMatches: boolean): Refusal | null {
  if (theirs.version !== FORMAT_VERSION) return 'version'
  if (theirs.cluster !== own.cluster) return 'cluster'
  const members = sharedMembers(own, theirs)
  if (members !== null && theirs.replicas !== members.quorums.replicas) return 'replicas'
  if (!rowMatches) return 'row'
  // Only those who found the cluster must begin with the same state: who joins it later takes the state of the others.
  return members?.epoch === 0 && theirs.origin !== own.origin ? 'origin' : null
}

/** Why a welcome is not accepted, for people. */
export function wrongDirectory(refusal: Refusal): string {
  if (refusal === 'foreign') return 'another cluster id'
  if (refusal === 'amnesiac') return 'another incarnation'
  if (refusal === 'origin') return 'a directory that was not made from the same backup'
  return refusal === 'copy' ? 'an older start, or an older copy of its disk' : `another ${refusal}`
}

/** The error of a replica that was asked who it is: it does not fit this one, or it refuses this one. */
export function misfit(address: string, verb: 'does not fit' | 'refuses this one', reason: Refusal): EpaxosError {
  const code = CODES[reason] ?? ErrorCode.refusedByPeers
  return new EpaxosError(code, `the replica at ${address} ${verb}: ${wrongDirectory(reason)}`)
}

const CODES: { readonly [reason in Refusal]?: ErrorCode } = {
  cluster: ErrorCode.foreignCluster,
  foreign: ErrorCode.foreignCluster,
  secret: ErrorCode.unauthorized,
}
