import type { FootprintBuilder } from '../engine/footprint.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { readU16, readU32 } from '../execution/bytes.ts'
import {
  ABSENT,
  Code,
  ITEM_HEADER_BYTES,
  MAX_KEY_BYTES,
  MAX_TRANSACTION_ITEMS,
  MAX_VALUE_BYTES,
  STEP_BYTES,
  TRANSACTION_HEADER_BYTES,
} from './commands.ts'

/**
 * Checks a whole command of the key-value store, `bytes[start, end)`, and adds its keys to `keys`; without `keys` it
 * only checks. The keys of a transaction are those of both branches.
 * @throws EpaxosError with code `bad_command` or `too_large`
 */
export function checkCommand(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder | null): void {
  const code = start < end ? (bytes[start] as number) : Number.NaN
  if (code === Code.transaction) checkTransaction(bytes, start, end, keys)
  else if (!(code <= Code.transaction)) throw bad('unknown code')
  else checkItem(bytes, start, end, keys)
}

function checkTransaction(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder | null): void {
  if (end - start < TRANSACTION_HEADER_BYTES || bytes[start + 1] !== 0) throw bad('its header')
  const conditions = readU16(bytes, start + 2)
  const items = conditions + readU16(bytes, start + 4) + readU16(bytes, start + 6)
  if (items > MAX_TRANSACTION_ITEMS) {
    throw new EpaxosError(ErrorCode.tooLarge, `a transaction of ${items} conditions and operations is too large`)
  }
  let at = start + TRANSACTION_HEADER_BYTES
  for (let i = 0; i < items; i++) {
    const itemStart = at + 4
    const itemEnd = itemStart <= end ? itemStart + readU32(bytes, at) : Number.POSITIVE_INFINITY
    if (itemEnd > end) throw bad('the size of an item')
    const code = bytes[itemStart] as number
    if (i < conditions ? code < Code.equals : code > Code.increment) throw bad('an item in the wrong place')
    checkItem(bytes, itemStart, itemEnd, keys)
    at = itemEnd
  }
  if (at !== end) throw bad('its size')
}

function checkItem(bytes: Uint8Array, start: number, end: number, keys: FootprintBuilder | null): void {
  const keyStart = start + ITEM_HEADER_BYTES
  if (keyStart > end || bytes[start + 1] !== 0) throw bad('the header of an item')
  const keyLength = readU16(bytes, start + 2)
  if (keyLength > MAX_KEY_BYTES) throw new EpaxosError(ErrorCode.tooLarge, `a key of ${keyLength} bytes is too large`)
  const keyEnd = keyStart + keyLength
  if (keyLength === 0 || keyEnd > end) throw bad('the length of a key')
  const code = bytes[start] as Code
  checkPayload(code, bytes, keyEnd, end)
  if (keys === null) return
  if (code === Code.get || code >= Code.equals) keys.read(bytes, keyStart, keyEnd)
  else keys.write(bytes, keyStart, keyEnd)
}

function checkPayload(code: Code, bytes: Uint8Array, start: number, end: number): void {
  switch (code) {
    case Code.put:
    case Code.equals:
      checkValue(end - start)
      return
    case Code.get:
    case Code.delete:
    case Code.absent:
    case Code.present:
      if (start !== end) throw bad('bytes behind the key')
      return
    case Code.increment:
      if (end - start !== STEP_BYTES || !Number.isSafeInteger(readStep(bytes, start))) throw bad('the step')
      return
    case Code.compareAndSet: {
      const expected = end - start >= 4 ? readU32(bytes, start) : Number.POSITIVE_INFINITY
      const expectedLength = expected === ABSENT ? 0 : expected
      if (start + 4 + expectedLength > end) throw bad('the length of the expected value')
      checkValue(expectedLength)
      checkValue(end - start - 4 - expectedLength)
      return
    }
    default:
      throw bad('unknown code')
  }
}

function checkValue(length: number): void {
  if (length <= MAX_VALUE_BYTES) return
  throw new EpaxosError(ErrorCode.tooLarge, `a value of ${length} bytes is too large`)
}

function bad(what: string): EpaxosError {
  return new EpaxosError(ErrorCode.badCommand, `not a command of the key-value machine: ${what}`)
}

/** The step of an increment at `at`; missing bytes count as zero. */
export function readStep(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < STEP_BYTES; i++) stepBytes[i] = bytes[at + i] as number
  return stepView.getFloat64(0, true)
}

const stepBytes = new Uint8Array(STEP_BYTES)
const stepView = new DataView(stepBytes.buffer)
