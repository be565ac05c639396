/**
 * How a process is asked to stop: by a signal, or because nobody reads its output any more. This file imports nothing,
 * so that signals are caught before the rest of the program is loaded.
 */

/** A closed terminal sends SIGHUP. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

const asked = new AbortController()
/** Ends the process when it is asked to stop before it has anything to stop; null once a caller stops it in order. */
let endAtOnce: (() => never) | null = null

/**
 * From now on a signal asks the process to stop. Until {@link stopSignal} is called, a signal ends the process at once
 * with `exitCode`.
 */
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
