import { equalBytes, readU16, readU32 } from '../execution/bytes.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'
import { Outcome } from './command-results.ts'
import { ABSENT, Code, ITEM_HEADER_BYTES, MAX_KEY_BYTES, STEP_BYTES } from './commands.ts'
import { COUNTER_BYTES, readCounter, writeCounter } from './counter.ts'
import type { Table } from './table.ts'
import { readStep } from './validate.ts'

/**
 * Applies one operation, `bytes[start, end)`, and writes its result. The replica that received it has validated it;
 * what a faulty replica passed on anyway gives `invalid`.
 */
export function applyOperation(
  table: Table,
  bytes: Uint8Array,
  start: number,
  end: number,
  result: ResultBuffer,
): void {
  const keyStart = start + ITEM_HEADER_BYTES
  const keyLength = readU16(bytes, start + 2)
  const keyEnd = keyStart + keyLength
  if (keyLength === 0 || keyLength > MAX_KEY_BYTES || keyEnd > end) return result.u8(Outcome.invalid)
  switch (bytes[start]) {
    case Code.put:
      table.put(bytes, keyStart, keyEnd, bytes, keyEnd, end)
      return result.u8(Outcome.done)
    case Code.get:
      return get(table, bytes, keyStart, keyEnd, result)
    case Code.delete:
      return result.u8(table.remove(bytes, keyStart, keyEnd) ? Outcome.done : Outcome.absent)
    case Code.increment:
      return increment(table, bytes, keyStart, keyEnd, end, result)
    case Code.compareAndSet:
      return compareAndSet(table, bytes, keyStart, keyEnd, end, result)
    default:
      return result.u8(Outcome.invalid)
  }
}

function get(table: Table, bytes: Uint8Array, keyStart: number, keyEnd: number, result: ResultBuffer): void {
  const entry = table.find(bytes, keyStart, keyEnd)
  if (entry < 0) return result.u8(Outcome.absent)
  result.u8(Outcome.done)
  result.bytes(table.bytes(entry), table.valueStart(entry), table.valueEnd(entry))
}

const digits = new Uint8Array(COUNTER_BYTES)

function increment(
  table: Table,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  end: number,
  result: ResultBuffer,
): void {
  if (end - keyEnd !== STEP_BYTES) return result.u8(Outcome.invalid)
  const entry = table.find(bytes, keyStart, keyEnd)
  const step = readStep(bytes, keyEnd)
  const sum =
    entry < 0
      ? incremented(EMPTY, 0, 0, step)
      : incremented(table.bytes(entry), table.valueStart(entry), table.valueEnd(entry), step)
  if (Number.isNaN(sum)) return result.u8(Outcome.notCounter)
  const length = writeCounter(sum, digits)
  table.put(bytes, keyStart, keyEnd, digits, 0, length)
  result.u8(Outcome.done)
  result.bytes(digits, 0, length)
}

export const EMPTY = new Uint8Array(0)

/**
 * The number after an increment. NaN where the value is no counter, or the sum is out of range. `EMPTY` itself stands
 * for an absent value.
 */
export function incremented(value: Uint8Array, start: number, end: number, step: number): number {
  const number = (value === EMPTY ? 0 : readCounter(value, start, end)) + step
  return Number.isSafeInteger(number) ? number : Number.NaN
}

function compareAndSet(
  table: Table,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  end: number,
  result: ResultBuffer,
): void {
  const expected = readU32(bytes, keyEnd)
  const expectedStart = keyEnd + 4
  const expectedEnd = expectedStart + (expected === ABSENT ? 0 : expected)
  if (expectedEnd > end) return result.u8(Outcome.invalid)
  if (!holds(table, bytes, keyStart, keyEnd, expected === ABSENT ? -1 : expectedStart, expectedEnd)) {
    return result.u8(Outcome.unmet)
  }
  table.put(bytes, keyStart, keyEnd, bytes, expectedEnd, end)
  result.u8(Outcome.done)
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
