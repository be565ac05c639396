/**
 * How a process is asked to stop: by a signal, or because nobody reads its output any more. Imports nothing, so that signals are caught before
 * the rest of the program is loaded.
 */

/** SIGHUP is what a closed terminal sends. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

const asked = new AbortController()
/** What ends the process when it is asked to stop before it has anything to stop; null once somebody stops it in order. */
let endAtOnce: (() => never) | null = null

/** From now on a signal asks the process to stop. Until {@link stopSignal} is called that ends it at once with `exitCode`. */
export function catchSignals(exitCode: number): void {
  endAtOnce = () => process.exit(exitCode)
  // Not `once`: a second signal must not end the process while it stops.
  for (const signal of SIGNALS) process.on(signal, askToStop)
}

/** Aborted when the process is asked to stop. The caller then stops it in order. */
export function stopSignal(): AbortSignal {
  endAtOnce = null
  return asked.signal
}

export function askToStop(): void {
  if (endAtOnce !== null) endAtOnce()
  asked.abort()
}

export function wasAskedToStop(): boolean {
  return asked.signal.aborted
}

/** Resolves when the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
