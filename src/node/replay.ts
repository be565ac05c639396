import { decodeRecords } from '../codec/records.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Core } from '../protocol/core.ts'
import type { Membership } from '../protocol/membership.ts'
import type { Journal } from '../storage/journal.ts'
import type { Clock } from './clock.ts'
import type { Incarnations } from './incarnations.ts'

export interface Replaying {
  readonly core: Core
  readonly incarnations: Incarnations
  readonly clock: Clock
  /** Does one turn's work of what the records committed, and returns whether it was everything. */
  readonly execute: () => boolean
}

/** How often the event loop may continue, in ms. */
const SLICE_MS = 20

/**
 * Gives the journal after value `after` back to the core, and executes what each value has committed before it reads
 * the next one. Resolves with the bytes of the values. Throws an `EpaxosError` with code
 * `damaged` at a record that is not what was written.
 */
export async function replayJournal(
  journal: Journal,
  after: number,
  members: Membership,
  { core, incarnations, clock, execute }: Replaying,
): Promise<number> {
  const pause = () => new Promise<void>((resolve) => clock.soon(resolve))
  let sliceEnd = clock.now() + SLICE_MS
  let bytes = 0
  for (const { number, value } of journal.scan(after + 1)) {
    bytes += value.length
    decodeRecords(value, members, (record, index) => {
      if (!('slot' in record)) incarnations.restore(record)
      else if (record.epoch === members.epoch) core.replay(record, number, index)
      else throw ofEpoch(record.epoch, number, members)
    })
    // What had executed everywhere before the next value was written may have been forgotten: then what comes now need
    // not know of it (protocol.md §10), and only the order of the journal says which of the two is first.
    while (!execute()) await pause()
    if (clock.now() < sliceEnd) continue
    await pause()
    sliceEnd = clock.now() + SLICE_MS
  }
  return bytes
}

/** A checkpoint begins each epoch, and the journal before it goes. */
function ofEpoch(epoch: number, number: number, members: Membership): EpaxosError {
  const state = `the state before it of epoch ${members.epoch}`
  return new EpaxosError(ErrorCode.damaged, `value ${number} of the journal is of epoch ${epoch}, and ${state}`)
}
