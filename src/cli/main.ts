#!/usr/bin/env node
import { descriptorLimit } from '../system/limits.ts'
import { complain } from './process/complain.ts'
import { catchSignals } from './process/stop.ts'

/** Commands that run until they are asked to stop, and their exit codes if that happens before they have begun. */
const EXIT_BEFORE_START = new Map([
  ['replica', 0],
  ['cluster', 0],
  ['demo-replica', 0],
  ['maelstrom', 0],
  ['backup', 1],
  ['demo', 1],
  ['bench', 1],
])

/** The codes of a lack of resources: descriptors (of this process or of the system) and memory. */
const SCARCE = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** The loader opens up to this many files at a time. With fewer descriptors its errors are misleading. */
const TO_LOAD = 128

// Node.js 22 and newer load WebAssembly of their own together with `node:http`. Without memory for it they reject a
// promise that nobody can reach. This program does not need it, and reports what its own WebAssembly lacks.
process.on('unhandledRejection', (error) => {
  if (!(error instanceof RangeError && error.message.startsWith('WebAssembly.'))) throw error
})

const exitBeforeStart = EXIT_BEFORE_START.get(process.argv[2] ?? '')
if (exitBeforeStart !== undefined) catchSignals(exitBeforeStart)
const descriptors = descriptorLimit()
try {
  // Loaded late: signals are caught by now, and a failure to load the program is reported.
  const { main } = await import('./program.ts')
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (descriptors >= TO_LOAD && !SCARCE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  const [what] = (error as Error).message.split('\n')
  complain(`out of file descriptors or memory (ulimit -n is ${descriptors}, see ulimit -v, too): ${what}`)
  process.exitCode = 2
}
