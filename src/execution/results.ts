import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { readU32, writeU32 } from './bytes.ts'
import { NOTHING, ResultBuffer } from './result-buffer.ts'

export { NOTHING }

/**
 * The results of an instance, group by group in the order of its batch: `u32 size` (including this word), `u32 count`,
 * and per command `u8 status, u32 length, bytes`. Little-endian, no padding. A client gets the bytes of its group.
 */
export const Status = {
  /** Done now; the result is the machine's. */
  applied: 0,
  /** Done by an earlier execution of the same request; this is its result. */
  kept: 1,
  /**
   * The request was acknowledged before, or its session has expired: this execution did nothing, but an earlier one may
   * have. No result.
   */
  expired: 2,
  /**
   * The request number is too far beyond the acknowledged one, or the session keeps too many bytes of results: this
   * execution did nothing, but that of a copy may do it. No result.
   */
  refused: 3,
  /**
   * Done, but its result does not fit beside the others of its group ({@link MAX_GROUP_RESULT_BYTES}): request it
   * alone.
   */
  omitted: 4,
  /**
   * Done, but its result does not fit beside those of the other groups of its instance ({@link
   * MAX_INSTANCE_RESULT_BYTES}): request it again. Also a read that took longer than the others of its group.
   */
  crowded: 5,
  /** Done by an earlier execution of the same request, whose result is no longer kept. No result. */
  gone: 6,
} as const
export type Status = (typeof Status)[keyof typeof Status]

/** Reads of large values could add up to any size: results beyond this many bytes of their group are omitted. */
export const MAX_GROUP_RESULT_BYTES = 8 << 20

/** The same for all groups of an instance. */
export const MAX_INSTANCE_RESULT_BYTES = 64 << 20

/**
 * A shorter result is never omitted: a client that changes something learns the result, whatever else was read beside
 * it.
 */
const SMALL_RESULT_BYTES = 64

const GROUP_HEADER_BYTES = 8
const RESULT_HEADER_BYTES = 5

/** Gathers the results of instance after instance, in a buffer that is reused. */
export class ResultWriter {
  readonly #out = new ResultBuffer()
  #groupStart = 0
  #resultStart = 0
  #count = 0

  beginGroup(): void {
    const out = this.#out
    out.begin()
    this.#groupStart = out.end
    out.u32(0)
    out.u32(0)
    this.#count = 0
  }

  /** Returns where the next result is written, as far as there is room; call {@link end} afterwards. */
  begin(): ResultBuffer {
    const out = this.#out
    const { room } = this
    this.#resultStart = out.end
    out.begin()
    out.u8(0)
    out.u32(0)
    out.begin(room)
    return out
  }

  /** The result is written. Returns its length, 0 if it did not fit: then it is told as omitted. */
  end(status: Status): number {
    const out = this.#out
    const { length, whole } = out
    if (!whole) {
      out.clear(this.#resultStart)
      this.#add(this.#groupRoom <= this.#instanceRoom ? Status.omitted : Status.crowded, NOTHING)
      return 0
    }
    out.all[this.#resultStart] = status
    writeU32(out.all, this.#resultStart + 1, length)
    this.#count++
    return length
  }

  /** A result that was made before. */
  add(status: Status, result: Uint8Array): void {
    const { length } = result
    if (length <= this.room) this.#add(status, result)
    else this.#add(length > this.#groupRoom ? Status.omitted : Status.crowded, NOTHING)
  }

  endGroup(): void {
    const { all, end } = this.#out
    writeU32(all, this.#groupStart, end - this.#groupStart)
    writeU32(all, this.#groupStart + 4, this.#count)
  }

  /** All groups since the last call, as a copy. */
  take(): Uint8Array {
    const results = this.#out.all.slice(0, this.#out.end)
    this.#out.clear(0, MAX_GROUP_RESULT_BYTES)
    return results
  }

  /** The longest result that is not omitted. */
  get room(): number {
    return Math.max(Math.min(this.#groupRoom, this.#instanceRoom), SMALL_RESULT_BYTES)
  }

  get #groupRoom(): number {
    return MAX_GROUP_RESULT_BYTES - (this.#out.end - this.#groupStart)
  }

  get #instanceRoom(): number {
    return MAX_INSTANCE_RESULT_BYTES - this.#out.end
  }

  #add(status: Status, result: Uint8Array): void {
    const out = this.#out
    out.begin()
    out.u8(status)
    out.u32(result.length)
    out.bytes(result)
    this.#count++
  }
}

/** The end of the group of results that begins at `start`, where the next group begins. */
export function groupEnd(results: Uint8Array, start: number): number {
  return start + readU32(results, start)
}

/** Reads the results of one group, as a client gets them. */
export class ResultReader {
  readonly count: number
  /** The status of the result that {@link next} found, and its bytes as a view. */
  status: Status = Status.applied
  result: Uint8Array = NOTHING
  readonly #bytes: Uint8Array
  #at = GROUP_HEADER_BYTES

  /** Throws an {@link EpaxosError} with code `malformed` unless `bytes` is exactly one group of results. */
  constructor(bytes: Uint8Array) {
    const count = bytes.length < GROUP_HEADER_BYTES ? -1 : readU32(bytes, 4)
    let at = GROUP_HEADER_BYTES
    for (let i = 0; i < count && at <= bytes.length; i++) {
      if ((bytes[at] as number) > Status.gone) throw malformed()
      at +=
        at + RESULT_HEADER_BYTES <= bytes.length
          ? RESULT_HEADER_BYTES + readU32(bytes, at + 1)
          : Number.POSITIVE_INFINITY
    }
    if (count < 0 || at !== bytes.length || readU32(bytes, 0) !== bytes.length) throw malformed()
    this.count = count
    this.#bytes = bytes
  }

  /** Goes to the next result; false after the last one. */
  next(): boolean {
    const at = this.#at
    if (at === this.#bytes.length) return false
    this.status = this.#bytes[at] as Status
    this.#at = at + RESULT_HEADER_BYTES + readU32(this.#bytes, at + 1)
    this.result = this.#bytes.subarray(at + RESULT_HEADER_BYTES, this.#at)
    return true
  }
}

/** The status of the only command of a group. */
export function onlyStatus(results: Uint8Array): Status {
  const reader = new ResultReader(results)
  reader.next()
  return reader.status
}

/**
 * The result of the only command of a group, as a view. Throws {@link errorOf} its status if there is none.
 *
 * @param onlyReads the command changes nothing
 */
export function onlyResult(results: Uint8Array, onlyReads = false): Uint8Array {
  const reader = new ResultReader(results)
  reader.next()
  const error = errorOf(reader.status, { onlyReads })
  if (error !== null) throw error
  return reader.result
}

/**
 * Why a command has no result although it was executed; null if it has one. What this execution did not do may have
 * been done by another execution of the same request, or may be done by a later one (protocol.md §8).
 *
 * @param onlyReads the command changes nothing, so it can be sent again
 * @param once its request was sent once only: there is no other execution
 */
export function errorOf(status: Status, { onlyReads = false, once = false } = {}): CommandError | null {
  const elsewhere = once || onlyReads ? 'refused' : 'unknown'
  const here = onlyReads ? 'refused' : 'unknown'
  switch (status) {
    case Status.applied:
    case Status.kept:
      return null
    case Status.expired: {
      const why = 'the request was acknowledged before, or its session was closed: it may have been done before'
      return new CommandError(ErrorCode.sessionExpired, elsewhere, why)
    }
    case Status.refused: {
      const why = 'too much of the session is not acknowledged: a copy may be done'
      return new CommandError(ErrorCode.busy, elsewhere, why)
    }
    case Status.gone: {
      const why = 'it was done before, and its result is not kept any more'
      return new CommandError(ErrorCode.resultGone, 'unknown', why)
    }
    case Status.omitted:
      return new CommandError(ErrorCode.tooLarge, here, 'the result is too large')
    case Status.crowded:
      return new CommandError(ErrorCode.busy, here, 'the result did not fit beside those of other commands')
  }
}

function malformed(): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, 'a group of results is malformed')
}
