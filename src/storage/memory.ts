import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Journal } from './journal.ts'
import { type Random, tear } from './tear.ts'

export interface MemoryDiskOptions {
  /**
   * Runs `written` when a write that starts now has reached the disk, after any delay, or never. Without it, only
   * {@link MemoryDisk.sync} makes values durable.
   */
  readonly schedule?: (written: () => void) => void
  /** Bytes that can still be written; no limit by default. */
  readonly free?: () => number
}

export interface CrashOptions {
  /**
   * Decides how many of the values that were not durable reached the disk all the same, whole and in order; without it,
   * none.
   */
  readonly kept?: Random
  /**
   * With it, the first value that did not reach the disk whole is found torn: cut off or with one bit flipped. Without
   * it, that value is not found.
   */
  readonly torn?: Random
}

/**
 * A disk in memory that loses what was not synced. A {@link crash} drops it and kills the open journal; {@link open}
 * then returns a journal with what was durable. A write takes the values that wait when it starts, and one write is in
 * progress at a time, as with a real disk. Values are copied when they become durable, not before: a change to a value
 * after it was appended shows on the disk.
 */
export class MemoryDisk {
  /** While true, writes fail. */
  full = false
  readonly #values = new Values()
  readonly #schedule: ((written: () => void) => void) | undefined
  readonly #free: () => number
  #journal: MemoryJournal | null = null
  #failNext = false

  constructor(options: MemoryDiskOptions = {}) {
    this.#schedule = options.schedule
    this.#free = options.free ?? (() => Number.POSITIVE_INFINITY)
  }

  /**
   * Opens the journal on this disk.
   *
   * @throws EpaxosError `locked` if it is already open
   */
  open(): Journal {
    if (this.#journal) throw new EpaxosError(ErrorCode.locked, 'The memory disk is open already')
    this.#journal = new MemoryJournal(this.#values, {
      schedule: this.#schedule,
      failing: (bytes) => {
        const failing = this.full || this.#failNext || bytes > this.#free()
        this.#failNext = false
        return failing
      },
      closed: () => {
        this.#journal = null
      },
    })
    return this.#journal
  }

  /** What a crash would leave, in bytes. */
  get bytes(): number {
    return this.#values.bytes
  }

  /** The values from number `from` on that a crash would leave. */
  durable(from = 1): Iterable<{ readonly number: number; readonly value: Uint8Array }> {
    return this.#values.range(from, this.#values.last)
  }

  /** Another disk with what a crash would leave of this one. */
  copy(options: MemoryDiskOptions = {}): MemoryDisk {
    const copy = new MemoryDisk(options)
    copy.#values.continueAfter(this.#values.first - 1)
    for (const { value } of this.durable()) copy.#values.add(value)
    return copy
  }

  /** Makes everything appended durable, at once. */
  sync(): void {
    this.#journal?.sync()
  }

  /** The next write fails. */
  failNext(): void {
    this.#failNext = true
  }

  /** Power loss: what was not durable is gone, and the open journal no longer accepts or reports anything. */
  crash(options: CrashOptions = {}): void {
    this.#journal?.crash(options)
    this.#journal = null
  }
}

/** Values under consecutive numbers. */
class Values {
  readonly #values = new Map<number, Uint8Array>()
  first = 1
  last = 0
  bytes = 0

  /** In an empty list: the next value gets the number after this. */
  continueAfter(number: number): void {
    this.first = number + 1
    this.last = number
  }

  add(value: Uint8Array): void {
    this.#values.set(++this.last, value)
    this.bytes += value.length
  }

  get(number: number): Uint8Array | null {
    return this.#values.get(number)?.slice() ?? null
  }

  /** Values `from` to `to`; each is copied when the caller gets it. */
  *range(from: number, to: number) {
    for (let number = Math.max(from, this.first); number <= to; number++) {
      const value = this.get(number)
      if (value) yield { number, value }
    }
  }

  /** The last value stays, as in LMDB. */
  trim(before: number): void {
    for (; this.first < Math.min(before, this.last); this.first++) {
      this.bytes -= this.#values.get(this.first)?.length ?? 0
      this.#values.delete(this.first)
    }
  }
}

interface Owner {
  readonly schedule: ((written: () => void) => void) | undefined
  /** Whether a write of so many bytes fails. */
  failing(bytes: number): boolean
  closed(): void
}

type State = 'open' | 'failed' | 'closed'

class MemoryJournal implements Journal {
  readonly #durable: Values
  readonly #owner: Owner
  /** Values that are not durable, after `#durable.last`, in order. */
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #writing = false
  #state: State = 'open'
  #trimBefore = 1
  #onDurable: (upTo: number) => void = () => {}
  #onFailed: (error: Error) => void = () => {}
  #closing: Promise<void> | null = null
  #settled: () => void = () => {}

  constructor(durable: Values, owner: Owner) {
    this.#durable = durable
    this.#owner = owner
  }

  get last(): number {
    return this.#durable.last + this.#pending.length
  }

  get first(): number {
    return Math.max(this.#durable.first, this.#trimBefore)
  }

  get bytes(): number {
    return this.#durable.bytes + this.#pendingBytes
  }

  append(value: Uint8Array): number {
    if (this.#state === 'failed')
      throw new EpaxosError(ErrorCode.storage, 'The journal failed: nothing can be appended')
    if (this.#state === 'closed' || this.#closing) throw new EpaxosError(ErrorCode.closed, 'The journal is closed')
    this.#pending.push(value)
    this.#pendingBytes += value.length
    const number = this.last
    if (!this.#writing) this.#write()
    return number
  }

  onDurable(listener: (upTo: number) => void, failed: (error: Error) => void): void {
    this.#onDurable = listener
    this.#onFailed = failed
  }

  read(number: number): Uint8Array | null {
    if (number < this.#trimBefore) return null
    return this.#durable.get(number) ?? this.#pending[number - this.#durable.last - 1]?.slice() ?? null
  }

  scan(from: number): Iterable<{ readonly number: number; readonly value: Uint8Array }> {
    return this.#scan(Math.max(from, this.#trimBefore), this.#durable.last, [...this.#pending])
  }

  *#scan(from: number, durable: number, pending: Uint8Array[]) {
    for (const entry of this.#durable.range(from, durable)) {
      if (this.#state === 'closed') throw new EpaxosError(ErrorCode.closed, 'The journal is closed')
      yield entry
    }
    for (const [i, value] of pending.entries()) {
      const number = durable + 1 + i
      if (number >= from) yield { number, value: value.slice() }
    }
  }

  trim(before: number): void {
    this.#trimBefore = Math.max(this.#trimBefore, Math.min(before, this.last))
    this.#durable.trim(this.#trimBefore)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (!this.#owner.schedule) this.sync()
    while (this.#state === 'open' && this.#pending.length > 0) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve
      })
    }
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#owner.closed()
  }

  sync(): void {
    this.#written(this.last)
  }

  crash({ kept, torn }: CrashOptions): void {
    const whole = kept ? Math.floor(kept() * (this.#pending.length + 1)) : 0
    for (const value of this.#pending.slice(0, whole)) this.#durable.add(value.slice())
    const next = this.#pending[whole]
    if (torn && next && next.length > 0) this.#durable.add(tear(next, torn))
    this.#state = 'closed'
    this.#settled()
  }

  /** Starts to write all that waits. */
  #write(): void {
    if (!this.#owner.schedule) return
    this.#writing = true
    const upTo = this.last
    this.#owner.schedule(() => {
      this.#writing = false
      this.#written(upTo)
      if (this.#state === 'open' && this.#pending.length > 0 && !this.#writing) this.#write()
    })
  }

  #written(upTo: number): void {
    if (this.#state !== 'open' || upTo <= this.#durable.last) return
    const values = this.#pending.slice(0, upTo - this.#durable.last)
    if (this.#owner.failing(values.reduce((sum, { length }) => sum + length, 0))) {
      this.#state = 'failed'
      this.#onFailed(new EpaxosError(ErrorCode.storage, 'The journal cannot be written: the memory disk fails'))
    } else {
      this.#pending.splice(0, values.length)
      for (const value of values) {
        this.#durable.add(value.slice())
        this.#pendingBytes -= value.length
      }
      this.#durable.trim(this.#trimBefore)
      this.#onDurable(upTo)
    }
    this.#settled()
  }
}
