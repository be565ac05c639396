#!/usr/bin/env node
import { complain } from './process/complain.ts'
import { catchSignals } from './process/stop.ts'

/** Commands that run until they are told to stop, and how they end where that comes before they have begun. */
const EXIT_BEFORE_START = new Map([
  ['replica', 0],
  ['cluster', 0],
  ['demo-replica', 0],
  ['maelstrom', 0],
  ['demo', 1],
  ['bench', 1],
])

/** What the system gives too little of: descriptors, of this process or of all, and memory. */
const SCARCE = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

const exitBeforeStart = EXIT_BEFORE_START.get(process.argv[2] ?? '')
if (exitBeforeStart !== undefined) catchSignals(exitBeforeStart)
try {
  // Loaded late: signals are caught by now, and a program that cannot be loaded is reported.
  const { main } = await import('./program.ts')
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!SCARCE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  complain(`the system gives too little (see ulimit -n and ulimit -v): ${(error as Error).message}`)
  process.exitCode = 2
}
