import type { Context } from './context.ts'

/**
 * How far messages may reach in a row. A slot far beyond all others would be harmful: every slot below it would be
 * recovered, and every interfering command would wait for that. So a message that names a slot beyond the reach of its
 * row is dropped, and comes again. The reach follows what is known:
 *
 * - What is committed here, and what members claim in their heartbeats. The claim of one member alone extends the reach
 *   only while no other member is up, so that one broken member moves nothing.
 * - The highest slot of the row, checked once a second: no correct replica uses {@link MAX_SLOTS_AHEAD} slots within
 *   that time.
 */
export const MAX_SLOTS_AHEAD = 1 << 14

/**
 * The same for the own row. This replica knows its slots in use, so others can name at most slots that nobody ever
 * proposed.
 */
export const MAX_OWN_SLOTS_AHEAD = 1 << 10

/** The number of members whose claims must agree, if so many are up. */
const WITNESSES = 2

const FOLLOW_MS = 1000

/** The highest slot of the row that a message may name. */
export function reachOf(context: Context, row: number): number {
  const { committedPrefix, claimed, reach } = context.row(row)
  if (row === context.id) return Math.max(context.slot, committedPrefix + MAX_OWN_SLOTS_AHEAD)
  return Math.max(reach, Math.max(committedPrefix, claimed) + MAX_SLOTS_AHEAD)
}

/**
 * Applies what the members that are up claim, after a heartbeat. A claim never outlives the time in which they make it.
 */
export function believeClaims(context: Context): void {
  const alive = context.peers.others.filter((peer) => context.peers.alive(peer))
  const witnesses = Math.min(WITNESSES, alive.length)
  if (witnesses === 0) return
  for (const row of context.rows) {
    const claims = alive.map((peer) => context.peers.of(peer).committed[row.row] as number).sort((a, b) => b - a)
    row.claimed = claims[witnesses - 1] as number
  }
}

/** Follows the highest slots, once a second. */
export function followRows(context: Context): void {
  if (context.nowMs < context.followMs) return
  context.followMs = context.nowMs + FOLLOW_MS
  for (const row of context.rows) row.reach = Math.max(row.reach, row.highest + MAX_SLOTS_AHEAD)
}
