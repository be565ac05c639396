import { EpaxosError, ErrorCode } from '../errors.ts'
import { writeU16, writeU32 } from '../execution/bytes.ts'

/**
 * The commands of the key-value store in bytes, little-endian. Everything consists of items: `u8 code, u8 0, u16 length
 * of the key, key, payload (the rest)`.
 *
 * | code | payload |
 * |---|---|
 * | put | value |
 * | get, delete | – |
 * | increment | float64 step, a safe integer |
 * | compareAndSet | u32 length of the expected value or {@link ABSENT}, expected value, new value |
 * | equals (condition) | value |
 * | absent, present (conditions) | – |
 *
 * A command is one item with a code from put to compareAndSet, or a transaction: `u8 6, u8 0, u16 conditions, u16 then,
 * u16 else`, and that many items, each with its u32 size in front. The operations of a transaction are put, get, delete
 * and increment.
 */
export const Code = {
  put: 1,
  get: 2,
  delete: 3,
  increment: 4,
  compareAndSet: 5,
  transaction: 6,
  equals: 7,
  absent: 8,
  present: 9,
} as const
export type Code = (typeof Code)[keyof typeof Code]

export const ITEM_HEADER_BYTES = 4
export const TRANSACTION_HEADER_BYTES = 8
export const STEP_BYTES = 8
/** Stands for the length of the expected value: the key must be absent. */
export const ABSENT = 0xffff_ffff

export const MAX_KEY_BYTES = 1024
export const MAX_VALUE_BYTES = 1 << 20
/** Conditions and operations of both branches together. */
export const MAX_TRANSACTION_ITEMS = 1024

/** A string is encoded as UTF-8. */
export type Bytes = string | Uint8Array

export type Condition =
  | { readonly key: Bytes; readonly equals: Bytes }
  | { readonly key: Bytes; readonly absent: true }
  | { readonly key: Bytes; readonly present: true }

export type Operation =
  | { readonly put: Bytes; readonly value: Bytes }
  | { readonly get: Bytes }
  | { readonly delete: Bytes }
  | { readonly increment: Bytes; readonly by?: number }

/** If all conditions hold, `then` is done, otherwise `else`: all operations in order, or none if one of them fails. */
export interface Transaction {
  readonly if?: readonly Condition[]
  readonly then?: readonly Operation[]
  readonly else?: readonly Operation[]
}

// All builders throw an EpaxosError with code `bad_command` or `too_large` for what the store would refuse.

export function putCommand(key: Bytes, value: Bytes): Uint8Array {
  return item(Code.put, key, valueBytes(value))
}

export function getCommand(key: Bytes): Uint8Array {
  return item(Code.get, key, EMPTY)
}

export function deleteCommand(key: Bytes): Uint8Array {
  return item(Code.delete, key, EMPTY)
}

/**
 * Adds `by`, a whole number within ±(2⁵³−1), to a counter. A counter is decimal digits in ASCII; an absent key counts
 * as 0.
 */
export function incrementCommand(key: Bytes, by = 1): Uint8Array {
  if (!Number.isSafeInteger(by))
    throw new EpaxosError(ErrorCode.badCommand, `a step is a whole number within ±(2⁵³−1), not ${by}`)
  const step = new Uint8Array(STEP_BYTES)
  new DataView(step.buffer).setFloat64(0, by, true)
  return item(Code.increment, key, step)
}

/** Puts `value` if the key has the value `expected`, or if `expected` is null and the key is absent. */
export function compareAndSetCommand(key: Bytes, expected: Bytes | null, value: Bytes): Uint8Array {
  const old = expected === null ? EMPTY : valueBytes(expected)
  const next = valueBytes(value)
  const payload = new Uint8Array(4 + old.length + next.length)
  writeU32(payload, 0, expected === null ? ABSENT : old.length)
  payload.set(old, 4)
  payload.set(next, 4 + old.length)
  return item(Code.compareAndSet, key, payload)
}

export function transactionCommand(transaction: Transaction): Uint8Array {
  const conditions = (transaction.if ?? []).map(conditionItem)
  const onTrue = (transaction.then ?? []).map(operationItem)
  const onFalse = (transaction.else ?? []).map(operationItem)
  const items = [...conditions, ...onTrue, ...onFalse]
  if (items.length > MAX_TRANSACTION_ITEMS) {
    throw new EpaxosError(
      ErrorCode.tooLarge,
      `a transaction has at most ${MAX_TRANSACTION_ITEMS} conditions and operations`,
    )
  }
  const size = items.reduce((sum, { length }) => sum + 4 + length, TRANSACTION_HEADER_BYTES)
  const command = new Uint8Array(size)
  command[0] = Code.transaction
  writeU16(command, 2, conditions.length)
  writeU16(command, 4, onTrue.length)
  writeU16(command, 6, onFalse.length)
  let at = TRANSACTION_HEADER_BYTES
  for (const bytes of items) {
    writeU32(command, at, bytes.length)
    command.set(bytes, at + 4)
    at += 4 + bytes.length
  }
  return command
}

function conditionItem(condition: Condition): Uint8Array {
  if ('equals' in condition) return item(Code.equals, condition.key, valueBytes(condition.equals))
  return item('absent' in condition ? Code.absent : Code.present, condition.key, EMPTY)
}

function operationItem(operation: Operation): Uint8Array {
  if ('put' in operation) return putCommand(operation.put, operation.value)
  if ('get' in operation) return getCommand(operation.get)
  if ('delete' in operation) return deleteCommand(operation.delete)
  return incrementCommand(operation.increment, operation.by)
}

const EMPTY = new Uint8Array(0)
const encoder = new TextEncoder()

function item(code: Code, key: Bytes, payload: Uint8Array): Uint8Array {
  const keyBytes = typeof key === 'string' ? encoder.encode(key) : key
  const { length } = keyBytes
  if (length === 0) throw new EpaxosError(ErrorCode.badCommand, 'a key has at least 1 byte')
  if (length > MAX_KEY_BYTES) throw new EpaxosError(ErrorCode.tooLarge, `a key has at most ${MAX_KEY_BYTES} bytes`)
  const bytes = new Uint8Array(ITEM_HEADER_BYTES + length + payload.length)
  bytes[0] = code
  writeU16(bytes, 2, length)
  bytes.set(keyBytes, ITEM_HEADER_BYTES)
  bytes.set(payload, ITEM_HEADER_BYTES + length)
  return bytes
}

function valueBytes(value: Bytes): Uint8Array {
  const bytes = typeof value === 'string' ? encoder.encode(value) : value
  if (bytes.length <= MAX_VALUE_BYTES) return bytes
  throw new EpaxosError(ErrorCode.tooLarge, `a value has at most ${MAX_VALUE_BYTES} bytes`)
}
