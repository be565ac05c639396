/** A broken invariant: the replica must stop, because nothing it says can be trusted any more. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** Stays on in release. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ProtocolError(what)
}
