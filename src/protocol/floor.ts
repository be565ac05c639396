import type { Vector } from '../engine/engine.ts'
import type { Context } from './context.ts'
import { union } from './vector.ts'

/** Instances forgotten in one step: a turn stays short, however many a member held back. */
const DROPS = 2048

/**
 * A of protocol.md §10: what every member has executed durably, as far as this replica and its peers know. It never
 * falls.
 */
export function raiseFloor(context: Context, known: Vector): void {
  const { peers, durably } = context
  const everywhere = durably.set.vector.map((own, row) =>
    peers.others.reduce((least, id) => Math.min(least, peers.of(id).executed[row] as number), own),
  )
  context.floor = union(context.floor, union(everywhere, known))
}

/** The floor as far as this replica has executed durably: it announces no more. */
export function floorToSay(context: Context): Vector {
  return context.durably.set.vector.map((own, row) => Math.min(own, context.floor[row] as number))
}

/** A member that has not executed everything that is executed here, as far as this replica knows. */
export interface Holder {
  /** Its row. */
  readonly peer: number
  readonly isUp: boolean
  /** The instances that it lacks. */
  readonly instances: number
}

/** The member for which the most is kept, of those that are down, if there are any; null if nothing is kept. */
export function holderOf({ peers, durably, dropped }: Context): Holder | null {
  let most: Holder | null = null
  for (const peer of peers.others) {
    const has = union(peers.of(peer).executed, dropped)
    const instances = durably.set.vector.reduce((sum, own, row) => sum + Math.max(0, own - (has[row] as number)), 0)
    const isUp = peers.alive(peer)
    if (instances === 0) continue
    if (most === null || (isUp === most.isUp ? instances > most.instances : most.isUp)) most = { peer, isUp, instances }
  }
  return most
}

/**
 * Forgets what every member has executed durably. It lags: a replica whose proposals do not name what others have
 * forgotten would lose the fast path, so first every peer that is up announces that it knows.
 */
export function forget(context: Context): void {
  if (context.images > 0) return
  let left = DROPS
  for (const row of context.rows) {
    const upTo = Math.min(mayForget(context, row.row), row.dropped + left)
    if (upTo <= row.dropped) continue
    left -= upTo - row.dropped
    context.counts.forgotten += upTo - row.dropped
    row.drop(upTo)
  }
  if (left < DROPS) context.engine.truncate(context.dropped)
}

function mayForget({ floor, durably, peers }: Context, row: number): number {
  const own = Math.min(floor[row] as number, durably.set.prefix(row))
  const told = peers.others.filter((id) => peers.alive(id)).map((id) => peers.of(id).floor[row] as number)
  return Math.min(own, ...told)
}
