import { copyBytes, equalBytes, readU16, readU32 } from '../execution/bytes.ts'
import { bareResult, Outcome } from './command-results.ts'
import { ABSENT, Code, ITEM_HEADER_BYTES, MAX_KEY_BYTES } from './commands.ts'
import { counterResult, readCounter } from './counter.ts'
import type { Table } from './table.ts'
import { readStep } from './validate.ts'

/**
 * Applies one operation, `bytes[start, end)`. The replica that received it has validated it; what a faulty replica
 * passed on anyway gives `invalid`. Returns null instead of a result of more than `room` bytes that only a read gives.
 */
export function applyOperation(
  table: Table,
  bytes: Uint8Array,
  start: number,
  end: number,
  room = Number.POSITIVE_INFINITY,
): Uint8Array | null {
  const keyStart = start + ITEM_HEADER_BYTES
  const keyLength = readU16(bytes, start + 2)
  const keyEnd = keyStart + keyLength
  if (keyLength === 0 || keyLength > MAX_KEY_BYTES || keyEnd > end) return bareResult(Outcome.invalid)
  switch (bytes[start]) {
    case Code.put:
      table.put(bytes, keyStart, keyEnd, bytes, keyEnd, end)
      return bareResult(Outcome.done)
    case Code.get:
      return get(table, bytes, keyStart, keyEnd, room)
    case Code.delete:
      return bareResult(table.remove(bytes, keyStart, keyEnd) ? Outcome.done : Outcome.absent)
    case Code.increment:
      return increment(table, bytes, keyStart, keyEnd, readStep(bytes, keyEnd))
    case Code.compareAndSet:
      return compareAndSet(table, bytes, keyStart, keyEnd, end)
    default:
      return bareResult(Outcome.invalid)
  }
}

function get(table: Table, bytes: Uint8Array, keyStart: number, keyEnd: number, room: number): Uint8Array | null {
  const entry = table.find(bytes, keyStart, keyEnd)
  if (entry < 0) return bareResult(Outcome.absent)
  const valueStart = table.valueStart(entry)
  const valueEnd = table.valueEnd(entry)
  if (1 + valueEnd - valueStart > room) return null
  const result = new Uint8Array(1 + valueEnd - valueStart)
  copyBytes(table.bytes(entry), valueStart, valueEnd, result, 1)
  return result
}

function increment(table: Table, bytes: Uint8Array, keyStart: number, keyEnd: number, step: number): Uint8Array {
  const entry = table.find(bytes, keyStart, keyEnd)
  const result =
    entry < 0
      ? incremented(EMPTY, 0, 0, step)
      : incremented(table.bytes(entry), table.valueStart(entry), table.valueEnd(entry), step)
  if (result === null) return bareResult(Outcome.notCounter)
  table.put(bytes, keyStart, keyEnd, result, 1, result.length)
  return result
}

export const EMPTY = new Uint8Array(0)

/**
 * The result of an increment: the new value follows its first byte. Null where the value is no counter, or the sum is
 * out of range. `EMPTY` itself stands for an absent value.
 */
export function incremented(value: Uint8Array, start: number, end: number, step: number): Uint8Array | null {
  const number = (value === EMPTY ? 0 : readCounter(value, start, end)) + step
  return Number.isSafeInteger(number) ? counterResult(number) : null
}

function compareAndSet(table: Table, bytes: Uint8Array, keyStart: number, keyEnd: number, end: number): Uint8Array {
  const expected = readU32(bytes, keyEnd)
  const expectedStart = keyEnd + 4
  const expectedEnd = expectedStart + (expected === ABSENT ? 0 : expected)
  if (expectedEnd > end) return bareResult(Outcome.invalid)
  if (!holds(table, bytes, keyStart, keyEnd, expected === ABSENT ? -1 : expectedStart, expectedEnd)) {
    return bareResult(Outcome.unmet)
  }
  table.put(bytes, keyStart, keyEnd, bytes, expectedEnd, end)
  return bareResult(Outcome.done)
}

/** Whether the key has the value `bytes[valueStart, valueEnd)`, or is absent if `valueStart` is -1. */
export function holds(
  table: Table,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): boolean {
  const entry = table.find(bytes, keyStart, keyEnd)
  if (entry < 0 || valueStart < 0) return entry < 0 && valueStart < 0
  return equalBytes(table.bytes(entry), table.valueStart(entry), table.valueEnd(entry), bytes, valueStart, valueEnd)
}
