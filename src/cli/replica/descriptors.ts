import { EpaxosError, ErrorCode } from '../../errors.ts'
import { descriptorsForStrangers } from '../../system/limits.ts'
import { MAX_STRANGERS } from '../../transport/listener.ts'

/**
 * Descriptors of a replica besides its links: files, the event loop, the journal, the ports, and some that come and go.
 */
const OWN = 40

/** A link in each direction, and the new links that replace them. */
const PER_PEER = 4

/** With fewer connections a replica is useless. */
const MIN_CLIENTS = 8

/**
 * How many connections clients may have in a process with this limit of descriptors; the others are kept for the peers,
 * for strangers on their port, and for files. Throws an `EpaxosError` with code `resources` if that leaves too few.
 */
export function clientConnections(limit: number, replicas: number): number {
  const strangers = 2 * descriptorsForStrangers(MAX_STRANGERS, limit)
  const kept = OWN + PER_PEER * (replicas - 1) + strangers
  if (limit - kept >= MIN_CLIENTS) return limit - kept
  const why = `this process may open ${limit} files and sockets (ulimit -n)`
  throw new EpaxosError(ErrorCode.resources, `${why}: one of ${replicas} replicas needs at least ${minimum(replicas)}`)
}

/** The lowest limit that {@link clientConnections} accepts. */
function minimum(replicas: number): number {
  const fixed = OWN + PER_PEER * (replicas - 1) + MIN_CLIENTS
  let limit = fixed
  while (limit - 2 * descriptorsForStrangers(MAX_STRANGERS, limit) < fixed) limit++
  return limit
}
