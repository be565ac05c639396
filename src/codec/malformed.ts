import { EpaxosError } from '../errors.ts'

/** Bytes that are not what they should be; `what` says which rule they break. */
export function malformed(what: string): EpaxosError {
  return new EpaxosError('malformed', `malformed message: ${what}`)
}

/** Something to be sent or written that is beyond a limit of limits.ts. */
export function tooLarge(what: string, size: number, limit: number): EpaxosError {
  return new EpaxosError('too_large', `${what}: ${size} is more than ${limit}`)
}
