import { EpaxosError, ErrorCode } from '../errors.ts'
import { assert } from '../protocol/assert.ts'
import { AgeClock, LIFETIME_TICKS, type Reading } from './age.ts'
import { fromLatin1, latin1 } from './bytes.ts'
import { ChunkReader, ChunkWriter, hex, type Lanes, lanesOf } from './chunks.ts'
import { OPENED_MARK } from './groups.ts'
import type { Restoring } from './machine.ts'
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
import { Tombstones, tombstoneHash } from './tombstones.ts'

/** Names of sessions that the end of a tick removed, because they were not used for a lifetime. */
export interface Aged {
  readonly sessions: readonly string[]
  readonly tombstones: readonly string[]
}

/** Sessions that are read in one step, if they are small. */
const SESSIONS_PER_STEP = 64

/**
 * The sessions of all clients (protocol.md §8): replicated state, changed only at execution, equal at all replicas that
 * have executed the same updates of each session.
 *
 * A session is expired only by a command. A duplicate of one of its requests may still be on its way then, in an
 * instance that executes later, and must not be applied a second time. Sessions of the client library are opened by a
 * command, which names them: such a name occurs once, so one that is not here has expired. A session whose name a
 * client chose opens with its first update, so its expiry leaves a tombstone, about a hundred bytes, even if it was
 * never open. What is not used for a lifetime of the replicated clock (age.ts) goes, tombstones too.
 *
 * Sessions do not interfere with each other, so replicas execute the updates of two sessions in different orders, and
 * what all sessions keep together may differ from replica to replica at any moment. A bound on the whole can therefore
 * be kept only by a command that interferes with all others, a {@link sweep}: every replica has executed the same
 * before it. Sweeps divide the log into generations.
 */
export class SessionTable {
  readonly limits: Limits
  #sessions = new Map<string, Session>()
  #tombstones = new Tombstones()
  #totals = new SessionTotals()
  #generation = 0
  #age = new AgeClock()
  /** The image that is being written. */
  #image: SessionImage | null = null
  #imageNumber = 0

  /** @param limits the same at all replicas */
  constructor(limits: Limits = SESSION_LIMITS) {
    this.limits = limits
  }

  /** Sessions that are open, and the tombstones of those that expired. */
  get size(): number {
    return this.#sessions.size + this.#tombstones.size
  }

  /** The number of executed sweeps, and of ticks that are over. */
  get generation(): number {
    return this.#generation
  }

  /** What is kept: the cost of results in bytes, request numbers, the number of open sessions and of tombstones. */
  get kept(): Limits {
    const { bytes, numbers } = this.#totals
    return { bytes, numbers, sessions: this.#sessions.size, tombstones: this.#tombstones.size }
  }

  /** The ticks of the clock that are over. */
  get ticks(): number {
    return this.#age.ticks
  }

  /** Whether the member has claimed that the present tick is over. */
  hasClaimed(row: number, epoch: number): boolean {
    return this.#age.hasClaimed(row, epoch)
  }

  /** Whether an update of the session `id` adds none: it is open, or there is a tombstone. */
  has(id: string): boolean {
    return this.#sessions.has(id) || this.#tombstones.has(id)
  }

  /** Whether the end of the session `id` leaves a tombstone. */
  leavesTombstone(id: string): boolean {
    return !isOpenedName(id)
  }

  /**
   * The session `id`, to read and change; null if it has expired. A session with a name that its client chose opens
   * with its first use. A session that was opened by a command and is not here has expired.
   */
  open(id: string): Session | null {
    const session = this.#sessions.get(id)
    if (session === undefined) return isOpenedName(id) || this.#tombstones.has(id) ? null : this.openNew(id)
    this.beforeChange(id, session)
    session.usedIn = this.#generation
    return session
  }

  /** Opens the session `id`, unless it is here. */
  openNew(id: string): Session {
    const present = this.#sessions.get(id)
    if (present !== undefined) return present
    const session = new Session(this.#totals, saltOf(id), this.#generation)
    session.image = this.#imageNumber
    this.#sessions.set(id, session)
    return session
  }

  /** From now on no request of the session is applied. */
  expire(id: string): void {
    if (this.#tombstones.has(id)) return
    const session = this.#sessions.get(id)
    if (session !== undefined) this.#remove(id, session)
    if (this.leavesTombstone(id)) this.#bury(id, this.#generation)
  }

  /**
   * Ends `generation`, and makes room if much is kept (sweep.ts). Null if another sweep has ended it. Every replica
   * must call it between the same updates.
   */
  sweep(generation: number): Swept | null {
    if (generation !== this.#generation) return null
    this.#generation++
    return sweepSessions(this, this.#sessions)
  }

  /**
   * The member with this row in the epoch claims that tick `tick` is over (age.ts). If a majority has said so now,
   * everything that was not used for a lifetime is removed; otherwise null. Every replica must call it between the same
   * updates.
   */
  tick(tick: number, row: number, epoch: number, majority: number): Aged | null {
    if (!this.#age.claim(tick, row, epoch, majority, this.#generation + 1)) return null
    this.#generation++
    const aged = { sessions: [] as string[], tombstones: [] as string[] }
    const { oldest } = this.#age
    for (const [id, session] of this.#sessions) {
      if (session.usedIn >= oldest) continue
      this.#remove(id, session)
      aged.sessions.push(id)
    }
    for (const [id, generation] of this.#tombstones.takeBefore(oldest)) {
      this.#image?.forgotten(id, generation)
      this.#addTombstoneHash(id, generation, -1)
      aged.tombstones.push(id)
    }
    return aged
  }

  /** Who has claimed the end of the present tick was a member of another cluster: these claims do not count. */
  forgetClaims(): void {
    this.#age.reading = { ...this.#age.reading, epoch: 0, claims: 0 }
  }

  /** A hash of the whole table, equal for equal tables. It is kept up to date with every change. */
  hash(): string {
    const { lo, hi } = this.#totals
    const generation = this.#generation
    return hex(hi ^ mix(1, generation, 0) ^ this.#age.hash(3)) + hex(lo ^ mix(2, generation, 0) ^ this.#age.hash(4))
  }

  /** The whole table in chunks, in the format of an image, by name; equal tables give equal bytes. */
  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    writeTotals(this.#imageTotals, out)
    const tombstones = new Map(this.#tombstones)
    for (const id of [...this.#sessions.keys(), ...tombstones.keys()].sort()) {
      yield* writeSession(copyOf(id, this.#sessions.get(id) ?? (tombstones.get(id) as number)), out)
    }
    if (out.length > 0) yield out.take()
  }

  /** Begins an image of the table as it is now (session-image.ts). There is one at a time. */
  capture(): SessionImage {
    assert(this.#image === null, 'one image of the sessions is written at a time')
    this.#imageNumber++
    const image = new SessionImage(this.#imageNumber, this.#imageTotals, this.#sessions, this.#tombstones, () => {
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
    const { steps, finish } = this.restoring(chunks)
    for (const _ of steps);
    finish()
  }

  /** The same in steps. */
  restoring(chunks: Iterable<Uint8Array>): Restoring {
    const restored = new SessionTable(this.limits)
    return { steps: restored.#fill(chunks), finish: () => this.#takeOver(restored) }
  }

  *#fill(chunks: Iterable<Uint8Array>): Iterable<void> {
    const source = new ChunkReader(chunks)
    this.#generation = source.u64()
    const size = source.u32()
    const lo = source.u32() | 0
    const hi = source.u32() | 0
    this.#age.reading = readReading(source)
    const tombstones: [id: string, generation: number][] = []
    for (let left = size; left > 0; left--) {
      const id = latin1(source.bytes(source.u8()))
      if (this.#sessions.has(id)) throw new EpaxosError(ErrorCode.damaged, 'a snapshot names a session twice')
      if (source.u8() === 1) readSession(source, this.openNew(id))
      else tombstones.push([id, source.u64()])
      if (left % SESSIONS_PER_STEP === 0) yield
    }
    source.end()
    for (const [id, generation] of tombstones.sort(([, a], [, b]) => a - b)) this.#bury(id, generation)
    if (this.size !== size || this.#totals.lo !== lo || this.#totals.hi !== hi) {
      throw new EpaxosError(ErrorCode.damaged, 'a snapshot of the sessions is not what the table was')
    }
  }

  #takeOver(restored: SessionTable): void {
    this.#sessions = restored.#sessions
    this.#tombstones = restored.#tombstones
    this.#totals = restored.#totals
    this.#generation = restored.#generation
    this.#age = restored.#age
    // An image that is being read goes on with the table as it was.
    this.#image = null
  }

  get #imageTotals(): SessionTableTotals {
    const { lo, hi } = this.#totals
    return {
      generation: this.#generation,
      size: this.size,
      tombstones: this.#tombstones.size,
      lo,
      hi,
      age: this.#age.reading,
    }
  }

  #remove(id: string, session: Session): void {
    this.beforeChange(id, session)
    session.leave()
    this.#sessions.delete(id)
  }

  #bury(id: string, generation: number): void {
    this.#tombstones.add(id, generation)
    this.#addTombstoneHash(id, generation, 1)
  }

  #addTombstoneHash(id: string, generation: number, sign: 1 | -1): void {
    const { lo, hi } = tombstoneHash(saltOf(id), generation)
    this.#totals.addHash(sign * lo, sign * hi)
  }
}

/** Whether a replica made the name at the opening of the session. */
function isOpenedName(id: string): boolean {
  return id.charCodeAt(0) === OPENED_MARK
}

function saltOf(id: string): Lanes {
  return lanesOf([fromLatin1(id)])
}

/** Throws an `EpaxosError` with code `damaged`. */
function readReading(source: ChunkReader): Reading {
  const [ticks, epoch, claims] = [source.u64(), source.u64(), source.u32()]
  const count = source.u8()
  if (count < 1 || count > LIFETIME_TICKS + 1) {
    throw new EpaxosError(ErrorCode.damaged, 'a snapshot of the sessions has no such number of ticks')
  }
  return { ticks, epoch, claims, begins: Array.from({ length: count }, () => source.u64()) }
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
