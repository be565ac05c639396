import { setTimeout as pause } from 'node:timers/promises'
import { CommandError } from '../../errors.ts'
import { ask } from '../http/ask.ts'

const POLL_MS = 50

/** Resolves when every replica answers clients; rejects with the reason of the signal when that is aborted. */
export async function allReady(urls: readonly string[], signal: AbortSignal): Promise<void> {
  for (const url of urls) {
    while (!(await isReady(url))) await pause(POLL_MS, undefined, { signal })
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await ask({ url, timeoutMs: 1000 }, 'GET', '/readyz')).status === 200
  } catch (error) {
    if (error instanceof CommandError) return false
    throw error
  }
}
