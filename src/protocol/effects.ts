import type { Instance } from './instance.ts'
import type { Message } from './messages.ts'
import type { Read } from './open-reads.ts'
import type { JournalRecord } from './records.ts'

export interface Envelope {
  readonly to: number
  /** The same object for every receiver of a broadcast, so that it is encoded once. */
  readonly message: Message
}

/**
 * What the driver must do after its calls into the core. The core holds back what must wait for the journal. The driver
 * appends `records`, calls `durable(number)` when they are durable, and takes the effects that this releases.
 */
export interface Effects {
  /** To be journaled as ONE value, whose number must be `number`; empty if there is nothing to journal. */
  readonly records: readonly JournalRecord[]
  /** The number of the journal value that holds `records`. */
  readonly number: number
  /** May be sent at once: everything that they rest on is durable. In order for each receiver. */
  readonly messages: readonly Envelope[]
  /** Committed, and may be executed at once: everything that this rests on is durable. In order, each once. */
  readonly commits: readonly Instance[]
  /** Own instances that became no-ops: their batches were certainly not executed and may be proposed again. */
  readonly rejected: readonly Instance[]
  /** The state may be read for them: it contains everything that was answered before they began. */
  readonly reads: readonly Read[]
}
