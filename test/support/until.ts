import { setTimeout as pause } from 'node:timers/promises'

/** Resolves when the condition holds; rejects after `timeoutMs` and names what it waited for. */
export async function until(condition: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`)
    await pause(1)
  }
}
