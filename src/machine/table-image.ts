import { ChunkWriter } from '../execution/chunks.ts'
import type { MachineImage } from '../execution/machine.ts'
import { assert } from '../protocol/assert.ts'
import type { Records } from './records.ts'

/** Places that are looked at in one step, if nothing is found there. */
const PLACES_PER_STEP = 4096

/** What a table held when an image of it was begun. */
export interface TableTotals {
  readonly count: number
  /** The hash of all entries, two lanes. */
  readonly lo: number
  readonly hi: number
}

/**
 * The entries of a table as of one moment, written while the table goes on changing (copy on update).
 *
 * The image walks over the memory of the records and writes each. A record that changes before its turn is written
 * first: the table calls {@link save} before each change. A record that is written, or made later, carries the
 * generation of the image. So each record is written once, at its earliest, and the memory that this takes is what was
 * saved since the last step.
 *
 * The order of the entries is that of memory, with the changed ones between: equal tables give different images, which
 * restore to equal tables. Format: `u32 count, u32 lo, u32 hi` of the table, and per entry `u32 key length, u32 value
 * length, key, value`.
 */
export class TableImage implements MachineImage {
  readonly chunks: Iterable<Uint8Array>
  readonly #records: Records
  readonly #generation: number
  readonly #released: () => void
  readonly #out = new ChunkWriter()
  /** Full chunks that were not read yet. */
  #full: Uint8Array[] = []
  #fullBytes = 0
  /** What is not written yet. */
  #left: number
  #lo: number
  #hi: number
  #open = true

  constructor(records: Records, generation: number, { count, lo, hi }: TableTotals, released: () => void) {
    this.#records = records
    this.#generation = generation
    this.#released = released
    this.#left = count
    this.#lo = lo
    this.#hi = hi
    writeTotals({ count, lo, hi }, this.#out)
    this.chunks = this.#walk(records.places())
  }

  get waitingBytes(): number {
    return this.#fullBytes + this.#out.length
  }

  /** The record is about to change, or to be freed. */
  save(record: number): void {
    if (this.#records.generation(record) !== this.#generation) this.#write(record)
  }

  release(): void {
    this.#open = false
    this.#full = []
    this.#released()
  }

  *#walk(places: Iterable<number>): Iterable<Uint8Array> {
    let seen = 0
    for (const record of places) {
      if (record >= 0) this.save(record)
      if (this.#full.length === 0 && ++seen % PLACES_PER_STEP !== 0) continue
      yield* this.#take()
      if (!this.#open) return
    }
    assert(this.#left === 0 && this.#lo === 0 && this.#hi === 0, 'an image holds what its table held, no more, no less')
    yield* this.#take()
    if (this.#out.length > 0) yield this.#out.take()
    this.release()
  }

  /** What is full. An empty chunk if nothing is, so that a step ends all the same. */
  *#take(): Iterable<Uint8Array> {
    const full = this.#full
    this.#full = []
    this.#fullBytes = 0
    if (full.length === 0) yield new Uint8Array(0)
    else yield* full
  }

  #write(record: number): void {
    const records = this.#records
    records.setGeneration(record, this.#generation)
    writeEntry(records, record, this.#out)
    this.#left--
    this.#lo = (this.#lo - records.shareLo(record)) | 0
    this.#hi = (this.#hi - records.shareHi(record)) | 0
    if (!this.#out.full) return
    const chunk = this.#out.take()
    this.#full.push(chunk)
    this.#fullBytes += chunk.length
  }
}

export function writeTotals({ count, lo, hi }: TableTotals, out: ChunkWriter): void {
  out.u32(count)
  out.u32(lo)
  out.u32(hi)
}

export function writeEntry(records: Records, record: number, out: ChunkWriter): void {
  const keyStart = records.keyStart(record)
  const valueStart = records.valueStart(record)
  const valueEnd = records.valueEnd(record)
  out.u32(valueStart - keyStart)
  out.u32(valueEnd - valueStart)
  out.bytes(records.bytes(record), keyStart, valueEnd)
}
