import { type FootprintBuilder, hashed, hashKey } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { readU16 } from '../execution/bytes.ts'
import { ChunkReader, ChunkWriter } from '../execution/chunks.ts'
import type { ChangeListener, Restoring, StateMachine } from '../execution/machine.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'
import { Code, ITEM_HEADER_BYTES, MAX_KEY_BYTES } from './commands.ts'
import { applyOperation } from './operations.ts'
import { Table } from './table.ts'
import { type TableImage, writeEntry, writeTotals } from './table-image.ts'
import { applyTransaction } from './transaction.ts'
import { checkCommand } from './validate.ts'

/** Entries that are read in one step: a fraction of a millisecond, unless they are large. */
const ENTRIES_PER_STEP = 256

/** A store of keys and values in bytes. commands.ts describes its commands, command-results.ts its results. */
export class KeyValueStore implements StateMachine {
  readonly #makeTable: () => Table
  #table: Table
  /** The hashes of the keys that are loaded ahead. */
  #hashes = new Int32Array(0)

  /** @param makeTable makes an empty table; a test passes one that watches what is touched */
  constructor(makeTable: () => Table = () => new Table()) {
    this.#makeTable = makeTable
    this.#table = makeTable()
  }

  /** How many keys there are. */
  get size(): number {
    return this.#table.size
  }

  get changed(): ChangeListener | null {
    return this.#table.changed
  }

  set changed(listener: ChangeListener | null) {
    this.#table.changed = listener
  }

  footprint(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder): void {
    checkCommand(bytes, start, end, keys)
  }

  apply(bytes: Uint8Array, start: number, end: number, result: ResultBuffer): void {
    if (bytes[start] === Code.transaction) applyTransaction(this.#table, bytes, start, end, result)
    else applyOperation(this.#table, bytes, start, end, result)
  }

  loadAhead(bytes: Uint8Array, ranges: Int32Array, count: number): void {
    if (this.#hashes.length < count) this.#hashes = new Int32Array(count)
    let keys = 0
    for (let i = 0; i < count; i++) {
      const start = ranges[2 * i] as number
      const keyStart = start + ITEM_HEADER_BYTES
      const keyEnd = keyStart + readU16(bytes, start + 2)
      if (bytes[start] === Code.transaction || keyEnd > (ranges[2 * i + 1] as number)) continue
      hashKey(bytes, keyStart, keyEnd)
      this.#hashes[keys++] = hashed.lo
    }
    this.#table.loadAhead(this.#hashes, keys)
  }

  /** In the format of an image (table-image.ts), ascending by key. */
  *snapshot(): Iterable<Uint8Array> {
    const table = this.#table
    const out = new ChunkWriter()
    writeTotals(table.totals, out)
    for (const entry of table.sorted()) {
      writeEntry(table.records, entry, out)
      if (out.full) yield out.take()
    }
    if (out.length > 0) yield out.take()
  }

  capture(): TableImage {
    return this.#table.capture()
  }

  /** Throws an `EpaxosError` with code `damaged`; nothing changes then. */
  restore(chunks: Iterable<Uint8Array>): void {
    const { steps, finish } = this.restoring(chunks)
    for (const _ of steps);
    finish()
  }

  restoring(chunks: Iterable<Uint8Array>): Restoring {
    const table = this.#makeTable()
    return {
      steps: fill(table, chunks),
      finish: () => {
        table.changed = this.#table.changed
        this.#table = table
      },
    }
  }

  stateHash(): string {
    return this.#table.hash
  }
}

function* fill(table: Table, chunks: Iterable<Uint8Array>): Iterable<void> {
  const source = new ChunkReader(chunks)
  const count = source.u32()
  const lo = source.u32() | 0
  const hi = source.u32() | 0
  for (let left = count; left > 0; left--) {
    const keyLength = source.u32()
    if (keyLength === 0 || keyLength > MAX_KEY_BYTES) throw damaged('holds an impossible key')
    const entry = source.bytes(keyLength + source.u32())
    table.put(entry, 0, keyLength, entry, keyLength, entry.length)
    if (left % ENTRIES_PER_STEP === 0) yield
  }
  source.end()
  const { totals } = table
  if (totals.count !== count || totals.lo !== lo || totals.hi !== hi) throw damaged('is not what its table was')
}

function damaged(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `a snapshot of the key-value machine ${what}`)
}
