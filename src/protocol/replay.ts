import { enterCommitted, learnBatch } from './commit.ts'
import type { Context } from './context.ts'
import type { Instance } from './instance.ts'
import { Command, Phase } from './messages.ts'
import { type InstanceRecord, RecordType } from './records.ts'

/**
 * Rebuilds an instance from its records. Ballots that were being coordinated are not continued, including ballot 0: no
 * attempt comes back (protocol.md §9). The row continues above every own slot found in any record.
 */
export function replay(context: Context, record: InstanceRecord, number: number, index: number): void {
  const instance = context.instance(record.row, record.slot)
  if ('batch' in record && record.batch !== null) {
    learnBatch(context, instance, record.batch)
    instance.batchNumber = number
    instance.batchIndex = index
  }
  apply(context, instance, record)
}

function apply(context: Context, instance: Instance, record: InstanceRecord): void {
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
      enterCommitted(context, instance)
      context.execute(instance, false)
  }
}
