import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { copyBytes, readU32, writeU32 } from './bytes.ts'

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
   * MAX_INSTANCE_RESULT_BYTES}): request it again.
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
  #bytes = new Uint8Array(4096)
  #length = 0
  #groupStart = 0
  #count = 0

  beginGroup(): void {
    this.#reserve(GROUP_HEADER_BYTES)
    this.#groupStart = this.#length
    this.#length += GROUP_HEADER_BYTES
    this.#count = 0
  }

  /** The longest result that is not omitted. */
  get room(): number {
    return Math.max(Math.min(this.#groupRoom, this.#instanceRoom), SMALL_RESULT_BYTES)
  }

  /** For a result longer than the room, which was not even made. */
  addMissing(): void {
    this.add(this.#groupRoom <= this.#instanceRoom ? Status.omitted : Status.crowded, NOTHING)
  }

  add(status: Status, result: Uint8Array): void {
    const { length } = result
    if (length > SMALL_RESULT_BYTES) {
      if (length > this.#groupRoom) return this.add(Status.omitted, NOTHING)
      if (length > this.#instanceRoom) return this.add(Status.crowded, NOTHING)
    }
    this.#reserve(RESULT_HEADER_BYTES + length)
    const at = this.#length
    this.#bytes[at] = status
    writeU32(this.#bytes, at + 1, length)
    copyBytes(result, 0, length, this.#bytes, at + RESULT_HEADER_BYTES)
    this.#length = at + RESULT_HEADER_BYTES + length
    this.#count++
  }

  endGroup(): void {
    writeU32(this.#bytes, this.#groupStart, this.#length - this.#groupStart)
    writeU32(this.#bytes, this.#groupStart + 4, this.#count)
  }

  /** All groups since the last call, as a copy. */
  take(): Uint8Array {
    const results = this.#bytes.slice(0, this.#length)
    this.#length = 0
    if (this.#bytes.length > MAX_GROUP_RESULT_BYTES) this.#bytes = new Uint8Array(4096)
    return results
  }

  get #groupRoom(): number {
    return MAX_GROUP_RESULT_BYTES - (this.#length - this.#groupStart)
  }

  get #instanceRoom(): number {
    return MAX_INSTANCE_RESULT_BYTES - this.#length
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** The result of a command without a result. */
export const NOTHING = new Uint8Array(0)

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
