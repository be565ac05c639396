import { EpaxosError } from '../errors.ts'

/** The error for bytes that break a rule; `what` names the rule. */
export function malformed(what: string): EpaxosError {
  return new EpaxosError('malformed', `malformed message: ${what}`)
}

/** The error for something to send or write that exceeds a limit of limits.ts. */
export function tooLarge(what: string, size: number, limit: number): EpaxosError {
  return new EpaxosError('too_large', `${what}: ${size} is more than ${limit}`)
}
