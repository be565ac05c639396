import type { Instance } from './instance.ts'
import { Command, Phase } from './messages.ts'
import { type InstanceRecord, RecordType } from './records.ts'

/**
 * What a record does to its instance (protocol.md §2 and §9): when it is written, and again when it is replayed. State
 * that a restart must keep changes nowhere else.
 */
export function transition(instance: Instance, record: InstanceRecord): void {
  switch (record.type) {
    case RecordType.pre:
      instance.mode = record.mode
      instance.ok = record.ok
      instance.command = Command.batch
      instance.initDeps = record.initDeps
      instance.deps = record.deps
      instance.phase = Phase.preAccepted
      return
    case RecordType.bal:
      instance.ballot = record.ballot
      return
    case RecordType.acc:
      instance.ballot = record.ballot
      instance.voteBallot = record.ballot
      instance.command = record.command
      instance.deps = record.deps
      instance.phase = Phase.accepted
      return
    case RecordType.val:
      instance.command = Command.batch
      instance.initDeps = record.initDeps
      return
    case RecordType.com:
      instance.ballot = Math.max(instance.ballot, record.ballot)
      instance.voteBallot = Math.max(instance.voteBallot, record.ballot)
      instance.command = record.command
      instance.deps = record.deps
      instance.phase = Phase.committed
  }
}
