import { enterCommitted, learnBatch } from './commit.ts'
import type { Context } from './context.ts'
import { type InstanceRecord, RecordType } from './records.ts'
import { transition } from './transition.ts'

/**
 * Rebuilds an instance from its records. Ballots that were being coordinated are not continued, including ballot 0: no
 * attempt comes back (protocol.md §9). The row continues above every own slot found in any record.
 */
export function replay(context: Context, record: InstanceRecord, number: number, index: number): void {
  context.resumeAt(number)
  // The checkpoint before the journal may contain the execution.
  if (context.executed.has(record.row, record.slot)) return replayExecuted(context, record, number, index)
  const instance = context.open(record.row, record.slot)
  if ('batch' in record && record.batch !== null) {
    learnBatch(context, instance, record.batch)
    instance.batchNumber = number
    instance.batchIndex = index
  }
  transition(instance, record)
  if (record.type !== RecordType.com) return
  instance.comNumber = number
  enterCommitted(context, instance)
  context.execute(instance, false)
}

function replayExecuted(context: Context, record: InstanceRecord, number: number, index: number): void {
  const hasBatch = 'batch' in record && record.batch !== null
  if (hasBatch) context.row(record.row).kept.setPlace(record.slot, number, index)
}
