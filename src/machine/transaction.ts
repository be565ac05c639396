import { EpaxosError } from '../errors.ts'
import { latin1, readU16, readU32 } from '../execution/bytes.ts'
import {
  bareResult,
  encodeFailedTransaction,
  encodeTransactionResult,
  MAX_TRANSACTION_RESULT_BYTES,
  Outcome,
  TRANSACTION_RESULT_HEADER_BYTES,
} from './command-results.ts'
import { Code, ITEM_HEADER_BYTES, TRANSACTION_HEADER_BYTES } from './commands.ts'
import { applyOperation, EMPTY, holds, incremented } from './operations.ts'
import type { Table } from './table.ts'
import { checkCommand, readStep } from './validate.ts'

/**
 * Applies a transaction: the conditions choose a branch, and its operations run in order; each sees the effects of
 * those before it. If one would fail, none is applied. Returns null instead of results of more than `room` bytes.
 */
export function applyTransaction(table: Table, command: Uint8Array, room: number): Uint8Array | null {
  if (!isValid(command)) return bareResult(Outcome.invalid)
  let at = TRANSACTION_HEADER_BYTES
  let succeeded = true
  for (let left = readU16(command, 2); left > 0; left--) {
    const end = itemEnd(command, at)
    succeeded = succeeded && conditionHolds(table, command, at + 4, end)
    at = end
  }
  let operations = readU16(command, 4)
  if (!succeeded) {
    for (; operations > 0; operations--) at = itemEnd(command, at)
    operations = readU16(command, 6)
  }
  return applyBranch(table, command, at, operations, succeeded, room)
}

/** The batch may come from a faulty replica, and the walk over a transaction relies on all its sizes. */
function isValid(command: Uint8Array): boolean {
  try {
    checkCommand(command, null)
    return true
  } catch (error) {
    if (error instanceof EpaxosError) return false
    throw error
  }
}

/** The end of the item whose size is at `at`. */
function itemEnd(command: Uint8Array, at: number): number {
  return at + 4 + readU32(command, at)
}

function conditionHolds(table: Table, command: Uint8Array, start: number, end: number): boolean {
  const keyStart = start + ITEM_HEADER_BYTES
  const keyEnd = keyStart + readU16(command, start + 2)
  if (command[start] === Code.present) return table.find(command, keyStart, keyEnd) >= 0
  return holds(table, command, keyStart, keyEnd, command[start] === Code.equals ? keyEnd : -1, end)
}

function applyBranch(
  table: Table,
  command: Uint8Array,
  start: number,
  operations: number,
  succeeded: boolean,
  room: number,
): Uint8Array | null {
  const draft = new Draft(table, command)
  for (let i = 0, at = start; i < operations; i++, at = itemEnd(command, at)) {
    const outcome = draft.add(at + 4, itemEnd(command, at))
    if (outcome !== Outcome.done) return encodeFailedTransaction(outcome, i)
  }
  const results: Uint8Array[] | null = TRANSACTION_RESULT_HEADER_BYTES + draft.size > room ? null : []
  for (let i = 0, at = start; i < operations; i++, at = itemEnd(command, at)) {
    if (results === null && command[at + 4] === Code.get) continue
    const result = applyOperation(table, command, at + 4, itemEnd(command, at)) as Uint8Array
    results?.push(result)
  }
  return results === null ? null : encodeTransactionResult(succeeded, results)
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
      const result = incremented(bytes, valueStart, valueEnd, readStep(command, keyEnd))
      if (result === null) return Outcome.notCounter
      this.size += result.length - 1
      this.#leave(keyStart, keyEnd, { bytes: result, start: 1, end: result.length })
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
