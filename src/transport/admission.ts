import { FORMAT_VERSION } from '../codec/limits.ts'
import { rowOf } from '../protocol/membership.ts'
import type { Claim, Identity, Refusal, Standing } from './transport.ts'

/** A claim with the version of its format. */
export interface Versioned extends Claim {
  readonly version: number
}

/** All that a replica says about itself in a handshake. */
export function claimOf({ members, ...identity }: Identity, standing: Standing): Claim {
  const { epoch, quorums } = members
  return { ...identity, epoch, replicas: quorums.replicas, ...standing }
}

/**
 * Why the dialler of an incoming link is refused, before its secret and its directory are checked; null if it is not
 * refused.
 */
export function refusalOfDialler(own: Identity, dialler: Versioned, dialled: number): Refusal | null {
  const valid = rowOf(own.members, dialler.id) >= 0 && dialler.id !== own.id
  return mismatch(own, dialler, valid && dialled === own.id)
}

/** Why there is no link to the replica that answered at the address of `dialled`; null if nothing prevents it. */
export function refusalOfDialled(own: Identity, answered: Versioned, dialled: number): Refusal | null {
  return mismatch(own, answered, answered.id === dialled)
}

/** Always in this order, so that every implementation gives the same reason. */
function mismatch(own: Identity, theirs: Versioned, rowMatches: boolean): Refusal | null {
  if (theirs.version !== FORMAT_VERSION) return 'version'
  if (theirs.cluster !== own.cluster) return 'cluster'
  if (theirs.replicas !== own.members.quorums.replicas) return 'replicas'
  if (!rowMatches) return 'row'
  // Only those who found the cluster must begin with the same state: who joins it later takes the state of the others.
  const found = own.members.epoch === 0 && theirs.epoch === 0
  return found && theirs.origin !== own.origin ? 'origin' : null
}

/** Why a welcome is not accepted, for people. */
export function wrongDirectory(refusal: Refusal): string {
  if (refusal === 'foreign') return 'another cluster id'
  if (refusal === 'amnesiac') return 'another incarnation'
  if (refusal === 'origin') return 'a directory that was not made from the same backup'
  return refusal === 'copy' ? 'an older start, or an older copy of its disk' : `another ${refusal}`
}
