import { type Client, CommandError } from '../../src/client/index.ts'

/** The outcomes of the commands of one client. */
export interface Tally {
  answered: number
  refused: number
  unknown: number
  /** The longest time between a call and its answer, in ms. */
  longestMs: number
}

/**
 * Keeps `outstanding` calls in flight until `enough` returns true. A refused call is certainly not done and counted as
 * refused; an unknown one may be done. The calls of a client are pipelined.
 */
export async function load(
  client: Client,
  outstanding: number,
  call: (client: Client, n: number) => Promise<unknown>,
  enough: (started: number) => boolean,
): Promise<Tally> {
  const tally: Tally = { answered: 0, refused: 0, unknown: 0, longestMs: 0 }
  let started = 0
  const lane = async (): Promise<void> => {
    while (!enough(started)) {
      const n = started++
      const before = performance.now()
      try {
        await call(client, n)
        tally.answered++
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        tally[error.outcome]++
      }
      tally.longestMs = Math.max(tally.longestMs, performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: outstanding }, lane))
  return tally
}
