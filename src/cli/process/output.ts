import { Exit } from '../exit-codes.ts'
import { complain } from './complain.ts'
import { askToStop } from './stop.ts'

/** Why standard output could not be written, where its reader is still there: a full disk, for instance. */
let failure: NodeJS.ErrnoException | null = null

/** Call once. An output that cannot be written ends no command with an error of its own: see {@link exitCodeAfterOutput}. */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has enough: what runs on stops in order, what is nearly done ends by itself.
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
