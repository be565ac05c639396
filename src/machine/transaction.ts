import { EpaxosError } from '../errors.ts'
import { readU16, readU32 } from '../execution/bytes.ts'
import {
  bareResult,
  encodeFailedTransaction,
  encodeTransactionResult,
  MAX_TRANSACTION_RESULT_BYTES,
  Outcome,
} from './command-results.ts'
import { Code, ITEM_HEADER_BYTES, TRANSACTION_HEADER_BYTES } from './commands.ts'
import { applyOperation, holds } from './operations.ts'
import type { Table } from './table.ts'
import { checkCommand } from './validate.ts'

/**
 * Applies a transaction: the conditions choose a branch, and its operations run in order; each sees the effects of
 * those before it. If one fails, those before it are undone.
 */
export function applyTransaction(table: Table, command: Uint8Array): Uint8Array {
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
  return applyBranch(table, command, at, operations, succeeded)
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
): Uint8Array {
  const results: Uint8Array[] = []
  const undo = new UndoLog(table)
  let size = 0
  for (let at = start; results.length < operations; ) {
    const end = itemEnd(command, at)
    undo.save(command, at + 4)
    const result = applyOperation(table, command, at + 4, end)
    size += 4 + result.length
    const outcome = size > MAX_TRANSACTION_RESULT_BYTES ? Outcome.tooLarge : result[0]
    if (outcome === Outcome.notCounter || outcome === Outcome.tooLarge) {
      undo.run()
      return encodeFailedTransaction(outcome, results.length)
    }
    results.push(result)
    at = end
  }
  return encodeTransactionResult(succeeded, results)
}

/** The old values of the keys that the operations of a transaction changed. */
class UndoLog {
  readonly #table: Table
  readonly #before: { readonly key: Uint8Array; readonly value: Uint8Array | null }[] = []

  constructor(table: Table) {
    this.#table = table
  }

  /** Called before the operation at `start`. */
  save(command: Uint8Array, start: number): void {
    if (command[start] === Code.get) return
    const keyStart = start + ITEM_HEADER_BYTES
    const key = command.subarray(keyStart, keyStart + readU16(command, start + 2))
    const entry = this.#table.find(key, 0, key.length)
    this.#before.push({ key, value: entry < 0 ? null : this.#valueOf(entry) })
  }

  #valueOf(entry: number): Uint8Array {
    return this.#table.bytes(entry).slice(this.#table.valueStart(entry), this.#table.valueEnd(entry))
  }

  run(): void {
    for (const { key, value } of this.#before.reverse()) {
      if (value === null) this.#table.remove(key, 0, key.length)
      else this.#table.put(key, 0, key.length, value, 0, value.length)
    }
  }
}
