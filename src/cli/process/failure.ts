import { CommandError, EpaxosError } from '../../errors.ts'
import { CommandExit, replicaExit } from '../exit-codes.ts'
import { complain } from './complain.ts'

/** Reports the error with its code; returns the exit code of `backup` and `restore`. Throws what is no error of ours */
export function reportFailure(error: unknown): number {
  if (!(error instanceof EpaxosError)) throw error
  if (error instanceof CommandError) {
    complain(error.message)
    return CommandExit.refused
  }
  complain(`${error.message} (${error.code})`)
  return replicaExit(error)
}
