import type { Vector } from './engine.ts'
import { type Footprint, isFootprint } from './footprint.ts'

/** The maximum number of rows of an engine. */
export const MAX_REPLICAS = 16

/** Refuses what both engines refuse, in the same words. */
export function checkReplicas(replicas: number): void {
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= MAX_REPLICAS) return
  throw new RangeError(`replicas must be a whole number from 1 to ${MAX_REPLICAS}, not ${replicas}`)
}

export function checkInstance(replicas: number, row: number, slot: number): void {
  if (!(Number.isInteger(row) && row >= 0 && row < replicas)) throw new RangeError(`no row ${row}`)
  if (!(Number.isSafeInteger(slot) && slot >= 1)) throw new RangeError(`no slot ${slot}`)
}

export function checkVector(replicas: number, vector: Vector): void {
  if (vector.length !== replicas) throw new RangeError(`a vector of ${vector.length} for ${replicas} rows`)
  for (let row = 0; row < replicas; row++) {
    const slot = vector[row] as number
    if (!(Number.isSafeInteger(slot) && slot >= 0)) throw new RangeError(`${slot} in a vector`)
  }
}

export function checkFootprint(footprint: Footprint): void {
  if (!isFootprint(footprint)) throw new RangeError('not a footprint')
}

export function checkKey(lo: number, hi: number): void {
  if (lo >>> 0 !== lo || hi >>> 0 !== hi) throw new RangeError(`no key hash (${lo}, ${hi})`)
}

export function checkKeys(keys: Uint32Array): void {
  if (keys.length % 2 !== 0) throw new RangeError('half a key hash')
}
