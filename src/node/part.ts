import type { ErrorCode } from '../errors.ts'

/**
 * A part of a member: it has a task of its own, and the member calls it at fixed places. A part that has nothing to do
 * at a place leaves the method out. Parts are called in the order in which the member lists them. None may throw for
 * what a client or a peer did; an error that leaves a part stops the replica.
 */
export interface Part {
  /** In each turn: gives the core what has gathered. Called again in the same turn as long as there are effects. */
  turn?(nowMs: number): void
  /**
   * At the end of each turn, and every 25 ms also while there are no turns. What is answered here is sent to the
   * clients with this turn.
   */
  turned?(nowMs: number): void
  /** At the end of each turn, when everything has been sent: work that nobody waits for, a few ms of it. */
  background?(): void
  /** Every 25 ms: deadlines, and what nothing else starts. */
  poll?(nowMs: number): void
  /** The replica learns nothing more about what is open: each request is answered as unknown. */
  abandon?(code: ErrorCode, message: string): void
}
