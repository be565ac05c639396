import { EpaxosError, ErrorCode } from '../errors.ts'
import { errorOf, ResultReader } from '../execution/results.ts'
import type { Entry } from './group.ts'

/** A reader of the results of `count` commands, or what is wrong with them. */
export function readerOf(results: Uint8Array, count: number): ResultReader | EpaxosError {
  try {
    const reader = new ResultReader(results)
    if (reader.count === count) return reader
    return new EpaxosError(ErrorCode.malformed, `${reader.count} results for ${count} commands`)
  } catch (error) {
    if (error instanceof EpaxosError) return error
    throw error
  }
}

/**
 * Reports the result of a command; the reader is at that result.
 * @param mightHaveBeen it was sent before, and may have been done then
 */
export function tell(entry: Entry, { status, result }: ResultReader, mightHaveBeen: boolean): void {
  const error = errorOf(status, { onlyReads: entry.reads, once: !mightHaveBeen })
  if (error === null) entry.done(result)
  else entry.fail(error)
}
