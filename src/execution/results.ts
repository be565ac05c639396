import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { copyBytes, readU32, writeU32 } from './bytes.ts'

/**
 * The results of an instance, per group in the order of its batch: `u32 size` (this word included), `u32 count`, and per command
 * `u8 status, u32 length, bytes`. Little-endian, no padding. What a client is answered are the bytes of its group.
 */
export const Status = {
  /** Done now; the result is the machine's. */
  applied: 0,
  /** Done by an earlier execution of the same request; the result is that one's. */
  kept: 1,
  /** The request was acknowledged before, or its session was expired: this execution did nothing, an earlier one may have. No result. */
  expired: 2,
  /**
   * The request number is too far beyond the acknowledged one, or the session keeps too many bytes of results: this execution did nothing, that of
   * a copy may do it. No result.
   */
  refused: 3,
  /** Done, but its result does not fit beside the others of its group ({@link MAX_GROUP_RESULT_BYTES}): ask for it alone. */
  omitted: 4,
  /** Done, but its result does not fit beside those of the other groups of its instance ({@link MAX_INSTANCE_RESULT_BYTES}): ask for it again. */
  crowded: 5,
  /** Done by an earlier execution of the same request, whose result is not kept any more. No result. */
  gone: 6,
} as const
export type Status = (typeof Status)[keyof typeof Status]

/** Reads of large values could multiply to any size: results beyond this many bytes of their group are omitted. */
export const MAX_GROUP_RESULT_BYTES = 8 << 20

/** The same for all groups of an instance. */
export const MAX_INSTANCE_RESULT_BYTES = 64 << 20

/** A shorter one is never omitted: whoever changes something hears what came of it, whatever else was read beside it. */
const SMALL_RESULT_BYTES = 64

const GROUP_HEADER_BYTES = 8
const RESULT_HEADER_BYTES = 5

/** Gathers the results of one instance after the other, in a buffer that is used again. */
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

  /** The longest result that is not left out. */
  get room(): number {
    return Math.max(Math.min(this.#groupRoom, this.#instanceRoom), SMALL_RESULT_BYTES)
  }

  /** A result that is longer than the room was not even made. */
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

  /** All groups since the last call, as bytes of their own. */
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

/** The result of what has none. */
export const NOTHING = new Uint8Array(0)

/** Where the group of results that begins at `start` ends, and the next one begins. */
export function groupEnd(results: Uint8Array, start: number): number {
  return start + readU32(results, start)
}

/** Reads the results of one group, as a client got them. */
export class ResultReader {
  readonly count: number
  /** Of the result that {@link next} found: its status, and its bytes as a view. */
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

  /** Goes to the next result; false behind the last one. */
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
 * The result of the only command of a group, as a view. Throws a `CommandError` where there is none, always `unknown`: what an execution did not do
 * may have been done by another execution of the same request, or be done by one that is still to come (protocol.md §8).
 */
export function onlyResult(results: Uint8Array): Uint8Array {
  const reader = new ResultReader(results)
  reader.next()
  switch (reader.status) {
    case Status.expired: {
      const why = 'the request was acknowledged before, or its session was closed: it may have been done before'
      throw new CommandError(ErrorCode.sessionExpired, 'unknown', why)
    }
    case Status.refused:
      throw new CommandError(
        ErrorCode.busy,
        'unknown',
        'too much of the session is not acknowledged: a copy may be done',
      )
    case Status.gone:
      throw new CommandError(ErrorCode.resultGone, 'unknown', 'it was done before, and its result is not kept any more')
    case Status.omitted:
      throw new CommandError(ErrorCode.tooLarge, 'unknown', 'the result is too large')
    case Status.crowded:
      throw new CommandError(ErrorCode.busy, 'unknown', 'the result did not fit beside those of other commands')
    default:
      return reader.result
  }
}

function malformed(): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, 'a group of results is malformed')
}
