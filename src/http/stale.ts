import { CommandError, EpaxosError } from '../errors.ts'
import { GroupKind, GroupReader } from '../execution/groups.ts'
import { ResultWriter, Status } from '../execution/results.ts'
import type { Answer } from '../node/proposals.ts'
import type { Replica } from '../node/replica.ts'

const group = new GroupReader()
const writer = new ResultWriter()

/**
 * Answers a group of reads from the replica's own state, without the log and without a quorum. An empty group asks
 * whether the replica is there and ready.
 */
export function answerStale(replica: Replica, bytes: Uint8Array): Answer {
  try {
    group.open(bytes, 0)
    if (group.kind !== GroupKind.commands || group.end !== bytes.length) {
      return { outcome: 'refused', code: 'malformed', message: 'not one group of commands' }
    }
    const { notReady } = replica
    if (group.count === 0 && notReady !== null) return { outcome: 'refused', code: 'not_ready', message: notReady }
    writer.take()
    writer.beginGroup()
    while (group.next()) {
      const result = replica.readStaleWithin(bytes.subarray(group.commandStart, group.commandEnd), writer.room)
      if (result === null) writer.addMissing()
      else writer.add(Status.applied, result)
    }
    writer.endGroup()
    return { outcome: 'done', results: writer.take() }
  } catch (error) {
    if (error instanceof CommandError) return { outcome: error.outcome, code: error.code, message: error.message }
    if (!(error instanceof EpaxosError)) throw error
    return { outcome: 'refused', code: error.code, message: error.message }
  }
}
