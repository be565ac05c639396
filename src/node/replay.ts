import { decodeRecords } from '../codec/records.ts'
import type { Core } from '../protocol/core.ts'
import type { Membership } from '../protocol/membership.ts'
import type { Journal } from '../storage/journal.ts'
import type { Clock } from './clock.ts'
import type { Incarnations } from './incarnations.ts'

/** How often the event loop may continue, in ms. */
const SLICE_MS = 20

/**
 * Gives the journal back to the core, and passes what it committed on to the execution at once, so that batches do not
 * pile up in memory. `execute` does one turn's work of that, and returns whether it was everything. Throws an
 * `EpaxosError` with code `damaged` at a record that is not what was written.
 */
export async function replayJournal(
  journal: Journal,
  members: Membership,
  core: Core,
  incarnations: Incarnations,
  clock: Clock,
  execute: () => boolean,
): Promise<void> {
  const pause = () => new Promise<void>((resolve) => clock.soon(resolve))
  let sliceEnd = clock.now() + SLICE_MS
  for (const { number, value } of journal.scan(1)) {
    decodeRecords(value, members, (record, index) => {
      if ('slot' in record) core.replay(record, number, index)
      else incarnations.restore(record)
    })
    if (clock.now() < sliceEnd) continue
    while (!execute()) await pause()
    await pause()
    sliceEnd = clock.now() + SLICE_MS
  }
  while (!execute()) await pause()
}
