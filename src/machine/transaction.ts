import { EpaxosError } from '../errors.ts'
import { latin1, readU16, readU32 } from '../execution/bytes.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'
import {
  MAX_TRANSACTION_RESULT_BYTES,
  Outcome,
  TRANSACTION_RESULT_HEADER_BYTES,
  writeFailedTransaction,
} from './command-results.ts'
import { Code, ITEM_HEADER_BYTES, TRANSACTION_HEADER_BYTES } from './commands.ts'
import { COUNTER_BYTES, writeCounter } from './counter.ts'
import { applyOperation, EMPTY, holds, incremented } from './operations.ts'
import type { Table } from './table.ts'
import { checkCommand, readStep } from './validate.ts'

/**
 * Applies a transaction, `bytes[start, end)`: the conditions choose a branch, and its operations run in order; each
 * sees the effects of those before it. If one would fail, none is applied.
 */
export function applyTransaction(
  table: Table,
  bytes: Uint8Array,
  start: number,
  end: number,
  result: ResultBuffer,
): void {
  if (!isValid(bytes, start, end)) return result.u8(Outcome.invalid)
  let at = start + TRANSACTION_HEADER_BYTES
  let succeeded = true
  for (let left = readU16(bytes, start + 2); left > 0; left--) {
    const next = itemEnd(bytes, at)
    succeeded = succeeded && conditionHolds(table, bytes, at + 4, next)
    at = next
  }
  let operations = readU16(bytes, start + 4)
  if (!succeeded) {
    for (; operations > 0; operations--) at = itemEnd(bytes, at)
    operations = readU16(bytes, start + 6)
  }
  applyBranch(table, bytes, at, operations, succeeded, result)
}

/** The batch may come from a faulty replica, and the walk over a transaction relies on all its sizes. */
function isValid(bytes: Uint8Array, start: number, end: number): boolean {
  try {
    checkCommand(bytes, start, end, null)
    return true
  } catch (error) {
    if (error instanceof EpaxosError) return false
    throw error
  }
}

/** The end of the item whose size is at `at`. */
function itemEnd(bytes: Uint8Array, at: number): number {
  return at + 4 + readU32(bytes, at)
}

function conditionHolds(table: Table, bytes: Uint8Array, start: number, end: number): boolean {
  const keyStart = start + ITEM_HEADER_BYTES
  const keyEnd = keyStart + readU16(bytes, start + 2)
  if (bytes[start] === Code.present) return table.find(bytes, keyStart, keyEnd) >= 0
  return holds(table, bytes, keyStart, keyEnd, bytes[start] === Code.equals ? keyEnd : -1, end)
}

function applyBranch(
  table: Table,
  bytes: Uint8Array,
  start: number,
  operations: number,
  succeeded: boolean,
  result: ResultBuffer,
): void {
  const draft = new Draft(table, bytes)
  for (let i = 0, at = start; i < operations; i++, at = itemEnd(bytes, at)) {
    const outcome = draft.add(at + 4, itemEnd(bytes, at))
    if (outcome !== Outcome.done) return writeFailedTransaction(outcome, i, result)
  }
  const isWanted = TRANSACTION_RESULT_HEADER_BYTES + draft.size <= result.room
  if (!isWanted) result.drop()
  result.u8(Outcome.done)
  result.u8(succeeded ? 1 : 0)
  for (let i = 0, at = start; i < operations; i++, at = itemEnd(bytes, at)) {
    if (!isWanted && bytes[at + 4] === Code.get) continue
    const size = result.length
    result.u32(0)
    applyOperation(table, bytes, at + 4, itemEnd(bytes, at), result)
    result.patchU32(size, result.length - size - 4)
  }
}

/** A range of bytes; a range of {@link EMPTY} for an absent value. */
interface Value {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

const NONE: Value = { bytes: EMPTY, start: 0, end: 0 }

/**
 * A dry run of a branch: it finds whether each operation can be done, and how large the results are. It copies no value
 * of the table, so its cost depends on the length of the command only.
 */
class Draft {
  /** Of all results so far, with their sizes. */
  size = 0
  readonly #table: Table
  readonly #command: Uint8Array
  /** The values that the operations so far leave, by key. */
  readonly #left = new Map<string, Value>()

  constructor(table: Table, command: Uint8Array) {
    this.#table = table
    this.#command = command
  }

  /** The next operation. */
  add(start: number, end: number): Outcome {
    const command = this.#command
    const keyStart = start + ITEM_HEADER_BYTES
    const keyEnd = keyStart + readU16(command, start + 2)
    this.size += 4 + 1
    if (command[start] === Code.put) {
      this.#leave(keyStart, keyEnd, { bytes: command, start: keyEnd, end })
    } else if (command[start] === Code.delete) {
      this.#leave(keyStart, keyEnd, NONE)
    } else if (command[start] === Code.get) {
      const value = this.#valueOf(keyStart, keyEnd)
      this.size += value.end - value.start
    } else {
      const { bytes, start: valueStart, end: valueEnd } = this.#valueOf(keyStart, keyEnd)
      const sum = incremented(bytes, valueStart, valueEnd, readStep(command, keyEnd))
      if (Number.isNaN(sum)) return Outcome.notCounter
      const digits = new Uint8Array(COUNTER_BYTES)
      const length = writeCounter(sum, digits)
      this.size += length
      this.#leave(keyStart, keyEnd, { bytes: digits, start: 0, end: length })
    }
    return this.size > MAX_TRANSACTION_RESULT_BYTES ? Outcome.tooLarge : Outcome.done
  }

  #leave(keyStart: number, keyEnd: number, value: Value): void {
    this.#left.set(latin1(this.#command, keyStart, keyEnd), value)
  }

  #valueOf(keyStart: number, keyEnd: number): Value {
    const left = this.#left.size > 0 ? this.#left.get(latin1(this.#command, keyStart, keyEnd)) : undefined
    if (left !== undefined) return left
    const table = this.#table
    const entry = table.find(this.#command, keyStart, keyEnd)
    if (entry < 0) return NONE
    return { bytes: table.bytes(entry), start: table.valueStart(entry), end: table.valueEnd(entry) }
  }
}
