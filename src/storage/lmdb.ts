import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { freeAddressSpace } from '../system/limits.ts'
import { checkDataFile } from './datafile.ts'
import { checkAddressSpace, openEnvironment, owned, reasonOf, storageError } from './environment.ts'
import { syncDirectory } from './files.ts'
import type { Journal } from './journal.ts'

/** Values removed in one transaction. They share it with appended values, and must not spoil their latency. */
const TRIM_CHUNK = 256

/**
 * `idle`: nothing to write. `gathering`: the values of this turn join the transaction. `writing`: the transaction is on
 * its way to the disk.
 */
type State = 'idle' | 'gathering' | 'writing' | 'failed' | 'closed'

/**
 * The journal in LMDB: one entry per value, under its number, in the sub-database `journal`.
 *
 * Group commit: the values that one turn of the event loop appends form one transaction with one sync. Values appended
 * while it is written wait for the next one. So only one transaction is in progress at a time, and transactions become
 * durable in order. `append` keeps a pointer to the value until then.
 *
 * Each entry stores the total bytes of all values before it in LMDB's version field, so {@link bytes} is known at the
 * start without reading the journal.
 *
 * The last durable value is never removed, whatever is trimmed, so that numbers continue after it.
 *
 * The caller holds the lock of the directory (lock.ts), because LMDB itself lets two processes write.
 */
export class LmdbJournal implements Journal {
  readonly #environment: RootDatabase<Uint8Array, number>
  readonly #values: Database<Uint8Array, number>
  #state: State = 'idle'
  /** Values that are not durable yet, by number. */
  readonly #pending = new Map<number, Uint8Array>()
  #last = 0
  #durable = 0
  /** The lowest number in the database, and the total bytes of the values before it; `last + 1` in an empty journal. */
  #first = 1
  #firstOffset = 0
  /** The total bytes of all values ever appended, and of those handed to LMDB. */
  #offset = 0
  #putOffset = 0
  /** Values below this number are to be removed. */
  #trimBefore = 1
  #onDurable: (upTo: number) => void = () => {}
  #onFailed: (error: Error) => void = () => {}
  /** The writes of the transaction that is being gathered or written, and up to where it removes values. */
  readonly #group = new Set<Promise<boolean>>()
  #groupTrimEnd = 1
  #groupEnded: () => void = () => {}
  /** Scans in progress: their cursors read LMDB's memory. */
  readonly #scans = new Set<Generator>()
  #closing: Promise<void> | null = null

  /**
   * Opens the journal in `directory`. Creates the journal and the directory if they do not exist.
   *
   * @throws EpaxosError `damaged`, `storage` if it cannot be read or created, or `resources` if it cannot be mapped
   */
  static async open(directory: string): Promise<LmdbJournal> {
    const path = resolve(directory)
    checkAddressSpace('the journal', freeAddressSpace())
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      const dataFile = join(path, 'data.mdb')
      if (existsSync(dataFile)) checkDataFile('journal', dataFile)
      const journal = new LmdbJournal(path)
      await syncDirectory(path)
      await syncDirectory(dirname(path))
      return journal
    } catch (error) {
      throw storageError(`The journal ${path} cannot be opened`, error)
    }
  }

  private constructor(path: string) {
    this.#environment = openEnvironment(path)
    try {
      const databases = this.#databases
      this.#values = this.#environment.openDB<Uint8Array, number>('journal', { encoding: 'binary', useVersions: true })
      if (databases > 0 && this.#databases > databases) {
        throw new EpaxosError(ErrorCode.damaged, 'the name of the journal in its file was overwritten')
      }
      this.#findEnds()
    } catch (error) {
      void this.#environment.close()
      throw error
    }
  }

  /** The number of databases in the file. LMDB makes a new and empty one if it does not find the name. */
  get #databases(): number {
    return (this.#environment.getStats() as { entryCount: number }).entryCount
  }

  #findEnds(): void {
    for (const { key } of this.#values.getRange({ start: 1, limit: 1 })) this.#first = key
    for (const { key, value, version } of this.#values.getRange({ reverse: true, limit: 1, versions: true })) {
      this.#last = key
      this.#offset = (version ?? 0) + value.length
    }
    this.#durable = this.#last
    this.#putOffset = this.#offset
    this.#firstOffset = this.#values.getEntry(this.#first)?.version ?? 0
  }

  get last(): number {
    return this.#last
  }

  get first(): number {
    return Math.max(this.#first, this.#trimBefore)
  }

  get bytes(): number {
    return this.#offset - this.#firstOffset
  }

  append(value: Uint8Array): number {
    if (this.#state === 'failed')
      throw new EpaxosError(ErrorCode.storage, 'The journal failed: nothing can be appended')
    if (this.#closing) throw new EpaxosError(ErrorCode.closed, 'The journal is closed')
    const number = ++this.#last
    this.#offset += value.length
    this.#pending.set(number, value)
    if (this.#state === 'gathering') this.#put(number, value)
    else if (this.#state === 'idle') this.#startGroup()
    return number
  }

  onDurable(listener: (upTo: number) => void, failed: (error: Error) => void): void {
    this.#onDurable = listener
    this.#onFailed = failed
  }

  read(number: number): Uint8Array | null {
    if (number < this.#trimBefore) return null
    const pending = this.#pending.get(number)
    if (pending) return pending.slice()
    if (number > this.#durable) return null
    try {
      const value = this.#values.get(number)
      return value ? owned(value) : null
    } catch (error) {
      throw storageError(`Value ${number} of the journal cannot be read`, error)
    }
  }

  /**
   * See {@link Journal.scan}. Values are read from the disk one by one, in one snapshot from the first to the last.
   * Values trimmed before the first one is requested are not found.
   *
   * @throws EpaxosError while iterating: `damaged` if a value is missing or LMDB's tree is damaged, `storage` if
   *   reading fails, `closed` if the journal was closed in the meantime
   */
  scan(from: number): Iterable<{ readonly number: number; readonly value: Uint8Array }> {
    return this.#scan(Math.max(from, this.#trimBefore), this.#durable, [...this.#pending])
  }

  *#scan(from: number, durable: number, pending: [number, Uint8Array][]) {
    let next = Math.max(from, this.#first)
    this.#assertOpen()
    const range = readable(this.#values.getRange({ start: next, end: durable + 1 }))
    this.#scans.add(range)
    try {
      for (const { key, value } of range) {
        if (key !== next) throw new EpaxosError(ErrorCode.damaged, `The journal is damaged: value ${next} is missing`)
        yield { number: next++, value: owned(value) }
        this.#assertOpen()
      }
    } finally {
      this.#scans.delete(range)
    }
    if (next <= durable) throw new EpaxosError(ErrorCode.damaged, `The journal is damaged: value ${next} is missing`)
    for (const [number, value] of pending) if (number >= from) yield { number, value: value.slice() }
  }

  trim(before: number): void {
    this.#trimBefore = Math.max(this.#trimBefore, Math.min(before, this.#last))
    if (this.#state === 'idle' && this.#trimEnd() > this.#first) this.#startGroup()
  }

  /** See {@link Journal.close}. After a failure it resolves without waiting for values that cannot become durable. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#state === 'gathering' || this.#state === 'writing') {
      await new Promise<void>((resolve) => {
        this.#groupEnded = resolve
      })
    }
    this.#state = 'closed'
    // LMDB's memory disappears with the environment: a cursor that continued to read it would end the process.
    for (const range of this.#scans) range.return(undefined)
    await this.#environment.close()
  }

  #assertOpen(): void {
    if (this.#state === 'closed') throw new EpaxosError(ErrorCode.closed, 'The journal is closed')
  }

  /** Puts all waiting values into the next transaction; values appended later in this turn join it. */
  #startGroup(): void {
    this.#state = 'gathering'
    // Registered before lmdb's own callback, which starts the transaction: from then on nothing joins this one.
    setImmediate(() => {
      if (this.#state === 'gathering') void this.#write()
    })
    for (const [number, value] of this.#pending) this.#put(number, value)
    const end = Math.min(this.#trimEnd(), this.#first + TRIM_CHUNK)
    for (let number = this.#first; number < end; number++) this.#gather(() => this.#values.remove(number))
    this.#groupTrimEnd = end
  }

  #put(number: number, value: Uint8Array): void {
    this.#gather(() => this.#values.put(number, value, this.#putOffset))
    this.#putOffset += value.length
  }

  /** All writes of one transaction usually share one promise. */
  #gather(write: () => Promise<boolean>): void {
    try {
      this.#group.add(write())
    } catch (error) {
      this.#group.add(Promise.reject(error))
    }
  }

  async #write(): Promise<void> {
    this.#state = 'writing'
    const upTo = this.#last
    const outcomes = await Promise.allSettled(this.#group)
    this.#group.clear()
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure) await this.#fail(failure.reason)
    else this.#committed(upTo)
    this.#groupEnded()
  }

  #committed(upTo: number): void {
    for (let number = this.#durable + 1; number <= upTo; number++) this.#pending.delete(number)
    const risen = upTo > this.#durable
    this.#durable = upTo
    if (this.#groupTrimEnd > this.#first) {
      this.#first = this.#groupTrimEnd
      this.#firstOffset = this.#values.getEntry(this.#first)?.version ?? 0
    }
    this.#state = 'idle'
    if (this.#pending.size > 0 || (!this.#closing && this.#trimEnd() > this.#first)) this.#startGroup()
    if (risen) this.#onDurable(upTo)
  }

  async #fail(rejection: unknown): Promise<void> {
    this.#state = 'failed'
    const cause = await reasonOf(rejection)
    this.#onFailed(storageError('The journal cannot be written', cause))
  }

  /** Up to where values are removed: the last durable value stays. */
  #trimEnd(): number {
    return Math.min(this.#trimBefore, this.#durable)
  }
}

/** The entries of a range, with LMDB's errors in our terms. */
function* readable<T>(range: Iterable<T>): Generator<T> {
  try {
    yield* range
  } catch (error) {
    throw storageError('The journal cannot be read', error)
  }
}
