import { EpaxosError, ErrorCode } from '../errors.ts'

/** A broken invariant: the replica must stop, because nothing that it sends can be trusted any more. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/**
 * What a peer says and what this replica knows cannot both be true. The replica that notices this must not continue:
 * one of the two has lost what it knew.
 */
export function contradiction(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.contradiction, what)
}

/** Stays on in release. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ProtocolError(what)
}
