import type { Vector } from '../engine/engine.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'

/**
 * A token names what had executed at a replica: everything that the replica had answered, and everything that its
 * answers had shown. A read that is at least as new as a token sees all that, at whichever replica. As text: the
 * beginning of the cluster's id, the epoch, and per row the highest executed slot, `3f9a1c02-0-12.7.3`.
 */
const TOKEN = /^([0-9a-f]{8})-(0|[1-9]\d{0,9})-((?:0|[1-9]\d{0,15})(?:\.(?:0|[1-9]\d{0,15}))*)$/

/** Tells clusters apart, so that a token of another cluster is noticed. */
const CLUSTER_DIGITS = 8

export interface Place {
  readonly clusterId: string
  readonly epoch: number
}

export function encodeToken({ clusterId, epoch }: Place, frontier: Vector): string {
  return `${clusterId.slice(0, CLUSTER_DIGITS)}-${epoch}-${frontier.join('.')}`
}

/**
 * How far a state must be to be as new as the token. Throws an `EpaxosError`: `malformed` for anything but a token of
 * this cluster, `not_ready` for one of a later epoch.
 */
export function decodeToken(token: string, { clusterId, epoch }: Place, rows: number): Vector {
  const [, cluster, itsEpoch, slots = ''] = TOKEN.exec(token) ?? []
  if (cluster === undefined) throw new EpaxosError(ErrorCode.malformed, 'not a token of a replica')
  if (cluster !== clusterId.slice(0, CLUSTER_DIGITS)) {
    throw new EpaxosError(ErrorCode.malformed, 'the token is of another cluster')
  }
  if (Number(itsEpoch) > epoch) throw new EpaxosError(ErrorCode.notReady, 'the token is of a later epoch')
  // What had executed in an earlier epoch has executed in every state of this one.
  if (Number(itsEpoch) < epoch) return new Array<number>(rows).fill(0)
  const vector = slots.split('.').map(Number)
  if (vector.length === rows && vector.every(Number.isSafeInteger)) return vector
  throw new EpaxosError(ErrorCode.malformed, 'not a token of this cluster')
}
