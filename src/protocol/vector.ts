import type { Vector } from '../engine/engine.ts'

/** Operations on dependency vectors. A vector stands for prefixes (protocol.md §2), so the union is the maximum. */
export function zeros(replicas: number): number[] {
  return new Array<number>(replicas).fill(0)
}

export function union(a: Vector, b: Vector): Vector {
  const result: number[] = []
  for (let r = 0; r < a.length; r++) result.push(Math.max(a[r] as number, b[r] as number))
  return result
}

export function equal(a: Vector, b: Vector): boolean {
  for (let r = 0; r < a.length; r++) if (a[r] !== b[r]) return false
  return true
}

/** Whether the prefix contains the instance. */
export function includes(deps: Vector, row: number, slot: number): boolean {
  return slot <= (deps[row] as number)
}
