import { EpaxosError, ErrorCode } from '../errors.ts'
import { type CommandResult, Outcome } from '../machine/command-results.ts'
import type { Operation } from '../machine/commands.ts'

/** The result of an operation of a transaction: of put, delete, increment and get. */
export type OperationResult =
  | { readonly ok: true }
  | { readonly deleted: boolean }
  | { readonly number: number }
  | { readonly value: Uint8Array | null }

export function operationResult(operation: Operation, { outcome, value }: CommandResult): OperationResult {
  if ('put' in operation) return { ok: true }
  if ('delete' in operation) return { deleted: outcome === Outcome.done }
  if ('increment' in operation) return { number: Number(utf8(value)) }
  return { value: outcome === Outcome.absent ? null : value.slice() }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes as text. Throws an `EpaxosError` with code `malformed` if they are not UTF-8. */
export function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new EpaxosError(ErrorCode.malformed, 'the value is not UTF-8')
  }
}
