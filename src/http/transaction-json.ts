import { EpaxosError, ErrorCode } from '../errors.ts'
import { type CommandResult, Outcome, type TransactionResult } from '../machine/command-results.ts'
import type { Condition, Operation, Transaction } from '../machine/commands.ts'
import { MAX_HTTP_KEY_BYTES } from './paths.ts'
import { type Fields, malformed, parseJson, record } from './strict-json.ts'

/** Transactions as JSON, read strictly: a misspelt field is refused, not ignored. */

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Throws an `EpaxosError` with code `malformed`, or `too_large` for a key. */
export function parseTransaction(body: Uint8Array): Transaction {
  const fields = record(parseJson(body), 'the transaction', ['if', 'then', 'else'])
  return {
    if: each(fields, 'if', condition),
    then: each(fields, 'then', operation),
    else: each(fields, 'else', operation),
  }
}

/**
 * The answer to a transaction that was done. Per operation: `{"ok": true}` for put, `{"deleted": bool}`, `{"number":
 * N}` for increment, and for get `{"value": V}`, `{"value64": V}` if the bytes are not UTF-8, or `{"absent": true}`.
 */
export function transactionJson(transaction: Transaction, { succeeded, results }: TransactionResult): Fields {
  const operations = (succeeded ? transaction.then : transaction.else) ?? []
  return { succeeded, results: operations.map((operation, i) => resultJson(operation, results[i] as CommandResult)) }
}

function resultJson(operation: Operation, { outcome, value }: CommandResult): Fields {
  if ('put' in operation) return { ok: true }
  if ('delete' in operation) return { deleted: outcome === Outcome.done }
  if ('increment' in operation) return { number: Number(text(value)) }
  if (outcome === Outcome.absent) return { absent: true }
  const readable = text(value)
  return readable === null ? { value64: Buffer.from(value).toString('base64') } : { value: readable }
}

function condition(given: unknown): Condition {
  const fields = record(given, 'a condition', ['key', 'equals', 'equals64', 'absent', 'present'])
  const key = keyOf(fields, 'key')
  if (Object.keys(fields).length === 2) {
    if (fields.absent === true) return { key, absent: true }
    if (fields.present === true) return { key, present: true }
    if ('equals' in fields || 'equals64' in fields) return { key, equals: bytesOf(fields, 'equals') }
  }
  throw malformed(
    'a condition is {"key", "equals"}, {"key", "equals64"}, {"key", "absent": true} or {"key", "present": true}',
  )
}

function operation(given: unknown): Operation {
  const fields = record(given, 'an operation', ['put', 'value', 'value64', 'delete', 'get', 'increment', 'by'])
  const count = Object.keys(fields).length
  if ('put' in fields && count === 2) return { put: keyOf(fields, 'put'), value: bytesOf(fields, 'value') }
  if ('delete' in fields && count === 1) return { delete: keyOf(fields, 'delete') }
  if ('get' in fields && count === 1) return { get: keyOf(fields, 'get') }
  if ('increment' in fields && (count === 1 || (count === 2 && 'by' in fields))) {
    return { increment: keyOf(fields, 'increment'), by: 'by' in fields ? step(fields.by) : 1 }
  }
  throw malformed('an operation is {"put", "value"}, {"put", "value64"}, {"delete"}, {"get"} or {"increment", "by"}')
}

function step(given: unknown): number {
  if (Number.isSafeInteger(given)) return given as number
  throw malformed('"by" is a whole number within ±(2^53-1)')
}

function keyOf(fields: Fields, name: string): Uint8Array {
  const key = utf8(fields[name], `"${name}"`)
  if (key.length === 0) throw malformed('a key has at least 1 byte')
  if (key.length <= MAX_HTTP_KEY_BYTES) return key
  throw new EpaxosError(ErrorCode.tooLarge, `a key has at most ${MAX_HTTP_KEY_BYTES} bytes over HTTP`)
}

/** The bytes of the field in UTF-8, or of its base64 variant. */
function bytesOf(fields: Fields, name: 'value' | 'equals'): Uint8Array {
  if (name in fields) return utf8(fields[name], `"${name}"`)
  const encoded = fields[`${name}64`]
  const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'base64') : null
  if (bytes === null || bytes.toString('base64') !== encoded) throw malformed(`"${name}64" is base64, with its padding`)
  return bytes
}

function utf8(given: unknown, name: string): Uint8Array {
  if (typeof given !== 'string') throw malformed(`${name} is a string`)
  if (/\p{Surrogate}/u.test(given)) throw malformed(`${name} holds half a character`)
  return encoder.encode(given)
}

/** Reads a list; an error names the position in it. */
function each<T>(fields: Fields, name: string, read: (given: unknown) => T): T[] {
  return list(fields, name).map((given, i) => {
    try {
      return read(given)
    } catch (error) {
      const { code, message } = error as EpaxosError
      throw new EpaxosError(code, `"${name}"[${i}]: ${message}`)
    }
  })
}

function list(fields: Fields, name: string): unknown[] {
  const value = name in fields ? fields[name] : []
  if (Array.isArray(value)) return value
  throw malformed(`"${name}" is a list`)
}

/** The bytes as text; null if they are not UTF-8. */
function text(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return null
  }
}
