import { decodeRecord } from '../codec/records.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Membership } from '../protocol/membership.ts'
import type { Batch } from '../protocol/messages.ts'
import type { Journal } from '../storage/journal.ts'

/**
 * Reads batches back from the journal, by the number of the value and the index of the record in it; null if the value
 * was trimmed. It keeps the last value: a peer that catches up asks for the batches of one value one after the other,
 * and values can be large.
 */
export function batchReader(journal: Journal, members: Membership): (number: number, index: number) => Batch | null {
  let lastNumber = 0
  let lastValue: Uint8Array | null = null
  return (number, index) => {
    if (number !== lastNumber) lastValue = journal.read(number)
    lastNumber = number
    if (lastValue === null) return null
    const record = decodeRecord(lastValue, index, members)
    if (!('batch' in record) || record.batch === null) {
      throw new EpaxosError(ErrorCode.damaged, `record ${index} of journal value ${number} holds no batch`)
    }
    return record.batch
  }
}
