import { EpaxosError, ErrorCode } from '../errors.ts'

/** A broken invariant: the replica must stop, because nothing it says can be trusted any more. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** What a peer says and what is known here cannot both be true. Whoever sees it must not go on: one of the two has lost what it knew. */
export function contradiction(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.contradiction, what)
}

/** Stays on in release. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ProtocolError(what)
}
