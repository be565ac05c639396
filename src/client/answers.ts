import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { ResultReader, Status } from '../execution/results.ts'
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
  const before = mightHaveBeen && !entry.reads ? 'unknown' : 'refused'
  switch (status) {
    case Status.applied:
    case Status.kept:
      return entry.done(result)
    case Status.expired:
      return entry.fail(new CommandError(ErrorCode.sessionExpired, before, 'the session was closed'))
    case Status.gone: {
      const why = 'it was done before, and its result is not kept any more'
      return entry.fail(new CommandError(ErrorCode.resultGone, 'unknown', why))
    }
    case Status.refused:
      return entry.fail(new CommandError(ErrorCode.busy, before, 'too many requests of the session are open'))
    case Status.crowded:
    case Status.omitted: {
      const outcome = entry.reads ? 'refused' : 'unknown'
      return entry.fail(new CommandError(ErrorCode.tooLarge, outcome, 'the result did not fit beside the others'))
    }
  }
}
