import { EpaxosError, ErrorCode } from '../errors.ts'
import { assert } from '../protocol/assert.ts'
import { fromLatin1, latin1 } from './bytes.ts'
import { ChunkReader, ChunkWriter, hex, type Lanes, lanesOf } from './chunks.ts'
import { OPENED_MARK } from './groups.ts'
import { shared } from './result-buffer.ts'
import { GONE, Session, SessionTotals } from './session.ts'
import { mix } from './session-hash.ts'
import {
  copyOf,
  GONE_LENGTH,
  SessionImage,
  type SessionTableTotals,
  writeSession,
  writeTotals,
} from './session-image.ts'
import { type Limits, SESSION_LIMITS, type Swept, sweepSessions } from './sweep.ts'

/**
 * The sessions of all clients (protocol.md §8): replicated state, changed only at execution, equal at all replicas that
 * have executed the same updates of each session.
 *
 * A session is expired only by a command. A duplicate of one of its requests may still be on its way then, in an
 * instance that executes later, and must not be applied a second time. Sessions of the client library are opened by a
 * command, which names them: such a name occurs once, so one that is not here has expired. A session whose name a
 * client chose opens with its first update, so its expiry leaves a tombstone for ever, about a hundred bytes, even if
 * it was never open.
 *
 * Sessions do not interfere with each other, so replicas execute the updates of two sessions in different orders, and
 * what all sessions keep together may differ from replica to replica at any moment. A bound on the whole can therefore
 * be kept only by a command that interferes with all others, a {@link sweep}: every replica has executed the same
 * before it. Sweeps divide the log into generations.
 */
export class SessionTable {
  readonly limits: Limits
  #sessions = new Map<string, Session | null>()
  #totals = new SessionTotals()
  #open = 0
  #generation = 0
  /** The image that is being written. */
  #image: SessionImage | null = null
  #imageNumber = 0

  /** @param limits the same at all replicas */
  constructor(limits: Limits = SESSION_LIMITS) {
    this.limits = limits
  }

  /** Sessions that are open, and the tombstones of those that expired. */
  get size(): number {
    return this.#sessions.size
  }

  /** The number of executed sweeps. */
  get generation(): number {
    return this.#generation
  }

  /** What all open sessions keep: the cost of results in bytes, request numbers, and the number of sessions. */
  get kept(): Limits {
    return { bytes: this.#totals.bytes, numbers: this.#totals.numbers, sessions: this.#open }
  }

  /**
   * The session `id`, to read and change; null if it has expired. A session with a name that its client chose opens
   * with its first use. A session that was opened by a command and is not here has expired.
   */
  open(id: string): Session | null {
    const session = this.#sessions.get(id)
    if (session === undefined) return isOpenedName(id) ? null : this.openNew(id)
    if (session === null) return null
    this.beforeChange(id, session)
    session.usedIn = this.#generation
    return session
  }

  /** Opens the session `id`, unless it is here. */
  openNew(id: string): Session {
    const present = this.#sessions.get(id)
    if (present) return present
    const session = new Session(this.#totals, saltOf(id), this.#generation)
    session.image = this.#imageNumber
    this.#sessions.set(id, session)
    this.#open++
    return session
  }

  /** From now on no request of the session is applied. */
  expire(id: string): void {
    const session = this.#sessions.get(id)
    if (session === null) return
    if (session !== undefined) {
      this.beforeChange(id, session)
      session.leave()
      this.#open--
    }
    if (isOpenedName(id)) {
      this.#sessions.delete(id)
    } else {
      this.#sessions.set(id, null)
      this.#image?.closed(id)
      this.#addTombstone(id)
    }
  }

  /**
   * Ends `generation`, and makes room if much is kept (sweep.ts). Null if another sweep has ended it. Every replica
   * must call it between the same updates.
   */
  sweep(generation: number): Swept | null {
    if (generation !== this.#generation) return null
    this.#generation++
    return sweepSessions(this, this.#openSessions())
  }

  /** A hash of the whole table, equal for equal tables. It is kept up to date with every change. */
  hash(): string {
    const { lo, hi } = this.#totals
    return hex(hi ^ mix(1, this.#generation, 0)) + hex(lo ^ mix(2, this.#generation, 0))
  }

  /** The whole table in chunks, in the format of an image, by name; equal tables give equal bytes. */
  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    writeTotals(this.#imageTotals, out)
    for (const id of [...this.#sessions.keys()].sort()) {
      yield* writeSession(copyOf(id, this.#sessions.get(id) as Session | null), out)
    }
    if (out.length > 0) yield out.take()
  }

  /** Begins an image of the table as it is now (session-image.ts). There is one at a time. */
  capture(): SessionImage {
    assert(this.#image === null, 'one image of the sessions is written at a time')
    this.#imageNumber++
    const image = new SessionImage(this.#imageNumber, this.#imageTotals, this.#sessions, () => {
      if (this.#image === image) this.#image = null
    })
    this.#image = image
    return image
  }

  /** Call this before a session of the table is changed, unless {@link open} has just returned it. */
  beforeChange(id: string, session: Session): void {
    if (this.#image !== null) this.#image.save(id, session)
  }

  /**
   * Replaces the table by that of a snapshot or an image. Throws an `EpaxosError` with code `damaged`; nothing changes
   * then.
   */
  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    const restored = new SessionTable(this.limits)
    restored.#generation = source.u64()
    const size = source.u32()
    const lo = source.u32() | 0
    const hi = source.u32() | 0
    for (let left = size; left > 0; left--) {
      const id = latin1(source.bytes(source.u8()))
      if (restored.#sessions.has(id)) throw new EpaxosError(ErrorCode.damaged, 'a snapshot names a session twice')
      if (source.u8() === 1) readSession(source, restored.openNew(id))
      else restored.expire(id)
    }
    source.end()
    if (restored.size !== size || restored.#totals.lo !== lo || restored.#totals.hi !== hi) {
      throw new EpaxosError(ErrorCode.damaged, 'a snapshot of the sessions is not what the table was')
    }
    this.#sessions = restored.#sessions
    this.#totals = restored.#totals
    this.#open = restored.#open
    this.#generation = restored.#generation
    // An image that is being read goes on with the table as it was.
    this.#image = null
  }

  get #imageTotals(): SessionTableTotals {
    const { lo, hi } = this.#totals
    return { generation: this.#generation, size: this.size, lo, hi }
  }

  *#openSessions(): Iterable<readonly [string, Session]> {
    for (const [id, session] of this.#sessions) if (session !== null) yield [id, session]
  }

  #addTombstone(id: string): void {
    const { lo, hi } = saltOf(id)
    this.#totals.addHash(mix(lo, 0, 1), mix(hi, 0, 1))
  }
}

/** Whether a replica made the name at the opening of the session. */
function isOpenedName(id: string): boolean {
  return id.charCodeAt(0) === OPENED_MARK
}

function saltOf(id: string): Lanes {
  return lanesOf([fromLatin1(id)])
}

function readSession(source: ChunkReader, session: Session): void {
  session.usedIn = source.u64()
  session.trim(source.u64())
  for (let left = source.u32(); left > 0; left--) {
    const number = source.u64()
    const length = source.u32()
    if (!session.restore(number, length === GONE_LENGTH ? GONE : shared(source.bytes(length)))) {
      throw new EpaxosError(ErrorCode.damaged, 'a snapshot names a request of a session twice, or out of its window')
    }
  }
}
