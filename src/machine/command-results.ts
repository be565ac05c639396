import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { readU16, readU32 } from '../execution/bytes.ts'
import type { ResultBuffer } from '../execution/result-buffer.ts'

/**
 * The results of the key-value store in bytes: `u8 outcome`, and for `done` the result of the command. Get: the value.
 * Increment: the new number in ASCII. A transaction: `u8 succeeded`, and per operation `u32 size, result`. A
 * transaction that could not be done has a `u16`: the position in its branch of the operation that failed.
 */
export const Outcome = {
  done: 0,
  /** Get and delete: the key does not exist. */
  absent: 1,
  /** Increment: the value is not a counter, or would leave ±(2⁵³−1). Nothing was changed. */
  notCounter: 2,
  /** Compare-and-set: the key has another value. Nothing was changed. */
  unmet: 3,
  /** Transaction: the results are larger than {@link MAX_TRANSACTION_RESULT_BYTES}. Nothing was changed. */
  tooLarge: 4,
  /** The bytes are not a command: a faulty replica passed them on. Nothing was changed. */
  invalid: 5,
} as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

export const MAX_TRANSACTION_RESULT_BYTES = 4 << 20

/** Of a transaction: the outcome, and whether it succeeded. */
export const TRANSACTION_RESULT_HEADER_BYTES = 2

export interface CommandResult {
  readonly outcome: Outcome
  /** A view: the value of a get, the new number of an increment in ASCII; otherwise empty. */
  readonly value: Uint8Array
}

export interface TransactionResult {
  readonly outcome: Outcome
  /** Which branch was taken: true for `then`. False if the outcome is not `done`. */
  readonly succeeded: boolean
  /** Per operation of the branch; empty if the outcome is not `done`. */
  readonly results: readonly CommandResult[]
  /** The position in its branch of the operation that could not be done; -1 if there is none. */
  readonly failedAt: number
}

/** The result of any command except a transaction. Throws an `EpaxosError` with code `malformed` for anything else. */
export function readResult(result: Uint8Array): CommandResult {
  const outcome = result[0]
  if (outcome === undefined || outcome > Outcome.invalid) throw malformed()
  return { outcome: outcome as Outcome, value: result.subarray(1) }
}

/** The result of a transaction. Throws an `EpaxosError` with code `malformed` for anything else. */
export function readTransactionResult(result: Uint8Array): TransactionResult {
  const { outcome } = readResult(result)
  if (outcome !== Outcome.done) {
    return { outcome, succeeded: false, results: [], failedAt: result.length >= 3 ? readU16(result, 1) : -1 }
  }
  if (result.length < 2) throw malformed()
  const results: CommandResult[] = []
  let at = 2
  while (at < result.length) {
    const end = at + 4 <= result.length ? at + 4 + readU32(result, at) : Number.POSITIVE_INFINITY
    if (end > result.length) throw malformed()
    results.push(readResult(result.subarray(at + 4, end)))
    at = end
  }
  return { outcome, succeeded: result[1] === 1, results, failedAt: -1 }
}

/**
 * Why a command of the key-value store was not done; null if it was, and for conditions that were not met.
 *
 * @param where which part of the command is to blame, for people
 */
export function failureOf(outcome: Outcome, where = ''): CommandError | null {
  switch (outcome) {
    case Outcome.done:
    case Outcome.absent:
    case Outcome.unmet:
      return null
    case Outcome.notCounter: {
      const why = `the value is no counter, or the sum is beyond ±(2^53-1)${where}`
      return new CommandError(ErrorCode.notCounter, 'refused', why)
    }
    case Outcome.tooLarge:
      return new CommandError(ErrorCode.tooLarge, 'refused', `the results are too large${where}`)
    case Outcome.invalid:
      return new CommandError(ErrorCode.badCommand, 'refused', 'the command cannot be applied')
  }
}

function malformed(): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, 'a result of the key-value machine is malformed')
}

/** Writes the result of a transaction that could not be done. */
export function writeFailedTransaction(outcome: Outcome, operation: number, result: ResultBuffer): void {
  result.u8(outcome)
  result.u8(operation & 0xff)
  result.u8(operation >>> 8)
}
