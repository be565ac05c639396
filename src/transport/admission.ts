import { FORMAT_VERSION } from '../codec/limits.ts'
import type { Claim, Identity, Refusal } from './transport.ts'

/** A claim with the version of the format that it is in. */
export interface Versioned extends Claim {
  readonly version: number
}

/** Why the dialler of an incoming link is refused, before its secret and its directory are looked at; null where it is not. */
export function refusalOfDialler(own: Identity, dialler: Versioned, dialled: number): Refusal | null {
  const valid = dialler.id >= 0 && dialler.id < own.replicas && dialler.id !== own.id
  return mismatch(own, dialler, valid && dialled === own.id)
}

/** Why the replica that answered at the address of `dialled` is not linked to; null where nothing speaks against it. */
export function refusalOfDialled(own: Identity, answered: Versioned, dialled: number): Refusal | null {
  return mismatch(own, answered, answered.id === dialled)
}

/** In this order, so that the reason is the same at every implementation. */
function mismatch(own: Identity, theirs: Versioned, rowMatches: boolean): Refusal | null {
  if (theirs.version !== FORMAT_VERSION) return 'version'
  if (theirs.cluster !== own.cluster) return 'cluster'
  if (theirs.replicas !== own.replicas) return 'replicas'
  return rowMatches ? null : 'row'
}

/** Why a welcome is not believed, for people. */
export function wrongDirectory(refusal: Refusal): string {
  if (refusal === 'foreign') return 'another cluster id'
  if (refusal === 'amnesiac') return 'another incarnation'
  return refusal === 'copy' ? 'an older start, or an older copy of its disk' : `another ${refusal}`
}
