import { Exit } from '../exit-codes.ts'
import { complain } from './complain.ts'
import { askToStop } from './stop.ts'

/** Why standard output could not be written although its reader is still there: a full disk, for instance. */
let failure: NodeJS.ErrnoException | null = null

/**
 * Call it once. If the output cannot be written, a command does not end with an error of its own: see {@link
 * exitCodeAfterOutput}.
 */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has enough: a long-running command stops in order, and one that is nearly done ends by itself.
    if (error.code === 'EPIPE') return askToStop()
    if (failure === null) complain(`standard output cannot be written: ${error.message}`)
    failure = error
  })
}

/** Resolves with the exit code of a command that ended with `code`, once its output is written. */
export async function exitCodeAfterOutput(code: number): Promise<number> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
  return failure !== null && code === Exit.done ? Exit.outputLost : code
}
