import { FORMAT_VERSION } from '../codec/limits.ts'
import type { Identity, Refusal } from './transport.ts'

/** What a replica says of itself when a link begins. */
export interface Claim extends Identity {
  readonly version: number
}

export function claimOf(identity: Identity): Claim {
  return { version: FORMAT_VERSION, ...identity }
}

/** Why the dialler of an incoming link is refused, before its secret and its incarnation are looked at; null where it is not. */
export function refusalOfDialler(own: Identity, dialler: Claim, dialled: number): Refusal | null {
  const valid = dialler.id >= 0 && dialler.id < own.replicas && dialler.id !== own.id
  return mismatch(own, dialler, valid && dialled === own.id)
}

/** Why the replica that answered at the address of `dialled` is not linked to; null where nothing speaks against it. */
export function refusalOfDialled(own: Identity, answered: Claim, dialled: number): Refusal | null {
  return mismatch(own, answered, answered.id === dialled)
}

/** In this order, so that the reason is the same at every implementation. */
function mismatch(own: Identity, theirs: Claim, rowMatches: boolean): Refusal | null {
  if (theirs.version !== FORMAT_VERSION) return 'version'
  if (theirs.cluster !== own.cluster) return 'cluster'
  if (theirs.replicas !== own.replicas) return 'replicas'
  return rowMatches ? null : 'row'
}
