import { encodeRecords } from '../codec/records.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Core } from '../protocol/core.ts'
import type { Effects } from '../protocol/effects.ts'
import type { MemberRecord } from '../protocol/records.ts'
import type { Journal } from '../storage/journal.ts'

export interface JournalWriterOptions {
  readonly core: Core
  /** Null for durability "memory": everything counts as durable at once. */
  readonly journal: Journal | null
  /** There are records to write: a turn is needed. */
  readonly arm: () => void
}

/** The way of records into the journal, one value per turn. */
export class JournalWriter {
  readonly #options: JournalWriterOptions
  /** Rejects the promises that wait for the journal. */
  readonly #waiting = new Set<(error: Error) => void>()
  #closed = false
  #bytes = 0

  constructor(options: JournalWriterOptions) {
    this.#options = options
  }

  /** What was given to the journal since the start, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes the records of a turn. */
  append({ records, number }: Effects): void {
    if (records.length === 0) return
    const { core, journal } = this.#options
    if (journal === null) return core.durable(number)
    const value = encodeRecords(records)
    this.#bytes += value.length
    const appended = journal.append(value)
    if (appended !== number) throw new EpaxosError(ErrorCode.storage, `journal value ${appended} instead of ${number}`)
  }

  /** Writes records about members; resolves with the number of their value when it is durable. */
  write(records: readonly MemberRecord[]): Promise<number> {
    if (this.#closed) return Promise.reject(CLOSED)
    const { core, arm } = this.#options
    const number = core.writeDown(records)
    arm()
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      core.afterDurable(number, () => {
        this.#waiting.delete(reject)
        resolve(number)
      })
    })
  }

  /** Nothing becomes durable any more. */
  close(): void {
    this.#closed = true
    for (const reject of this.#waiting) reject(CLOSED)
    this.#waiting.clear()
  }
}

const CLOSED = new EpaxosError(ErrorCode.closed, 'the replica is closed')
