import { setTimeout as pause } from 'node:timers/promises'
import { CommandError } from '../../errors.ts'
import { ask } from '../http/ask.ts'

const POLL_MS = 50

/** A reason that lasts this long is worth a line. */
const LASTING_MS = 2000

/**
 * Resolves when every replica answers clients; rejects with the reason of the signal when that is aborted. `waits` is
 * called with a replica's position and why it is not ready, once for each reason that lasts.
 */
export async function allReady(
  urls: readonly string[],
  signal: AbortSignal,
  waits: (replica: number, why: string) => void = () => {},
): Promise<void> {
  for (const [replica, url] of urls.entries()) {
    let [why, sinceMs, told] = ['', performance.now(), '']
    for (let now = await whyNotReady(url); now !== null; now = await whyNotReady(url)) {
      if (now !== why) {
        why = now
        sinceMs = performance.now()
      } else if (why !== told && performance.now() - sinceMs > LASTING_MS) {
        told = why
        waits(replica, why)
      }
      await pause(POLL_MS, undefined, { signal })
    }
  }
}

/** Null if it is ready. */
async function whyNotReady(url: string): Promise<string | null> {
  try {
    const { status, message } = await ask({ url, timeoutMs: 1000 }, 'GET', '/readyz')
    return status === 200 ? null : message.replace(/ \(not_ready\)$/, '')
  } catch (error) {
    if (error instanceof CommandError) return error.message
    throw error
  }
}
