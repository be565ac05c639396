import type { Reading } from './age.ts'
import { fromLatin1 } from './bytes.ts'
import { ChunkWriter } from './chunks.ts'
import { GONE, type Session } from './session.ts'

/** Sessions that are looked at in one step, if they are small. */
const SESSIONS_PER_STEP = 256

/** The length of a result that is not kept. */
export const GONE_LENGTH = 0xffff_ffff

/** What a session table held when an image of it was begun. */
export interface SessionTableTotals {
  readonly generation: number
  /** Sessions that are open, and tombstones. */
  readonly size: number
  readonly tombstones: number
  /** The hash of the table, two lanes. */
  readonly lo: number
  readonly hi: number
  readonly age: Reading
}

/** A session as it was, or the generation of a tombstone. Results never change, so they are not copied. */
export type SessionCopy = {
  readonly id: string
  readonly session:
    | {
        readonly usedIn: number
        readonly acknowledged: number
        readonly entries: readonly (readonly [number, Uint8Array])[]
      }
    | number
}

/**
 * The sessions of a table as of one moment, written while the table goes on changing (copy on update): what changes
 * before its turn is copied first.
 *
 * Format: `u64 generation, u32 size, u32 lo, u32 hi`; of the clock `u64 ticks, u64 epoch, u32 claims, u8 count` and
 * `u64` for each beginning; and per session `u8 length, name`, then `u8 0, u64 generation` for a tombstone, or `u8 1,
 * u64 used in, u64 acknowledged, u32 count` and per request `u64 number, u32 length, result`. The order is that of the
 * table, with the changed ones between.
 */
export class SessionImage {
  /** Iterated once. A step may give an empty chunk. */
  readonly chunks: Iterable<Uint8Array>
  readonly #number: number
  readonly #released: () => void
  /** Copied, and not written yet. */
  #copies: SessionCopy[] = []
  /** Tombstones go in the order of the table, oldest first: how many were written, and forgotten, of these. */
  readonly #tombstones: number
  #written = 0
  #gone = 0
  #open = true

  /** @param number differs from that of the image before */
  constructor(
    number: number,
    totals: SessionTableTotals,
    sessions: Iterable<readonly [string, Session]>,
    tombstones: Iterable<readonly [string, number]>,
    released: () => void,
  ) {
    this.#number = number
    this.#tombstones = totals.tombstones
    this.#released = released
    this.chunks = this.#walk(totals, sessions, tombstones)
  }

  /** Sessions that were copied and are not written yet. */
  get waiting(): number {
    return this.#copies.length
  }

  /** The session is about to change, or to be closed. */
  save(id: string, session: Session): void {
    if (session.image === this.#number) return
    session.image = this.#number
    this.#copies.push(copyOf(id, session))
  }

  /** The oldest tombstone of the table was forgotten. */
  forgotten(id: string, generation: number): void {
    const place = this.#gone++
    if (place < this.#written || place >= this.#tombstones) return
    this.#copies.push({ id, session: generation })
    this.#written++
  }

  release(): void {
    this.#open = false
    this.#copies = []
    this.#released()
  }

  *#walk(
    totals: SessionTableTotals,
    sessions: Iterable<readonly [string, Session]>,
    tombstones: Iterable<readonly [string, number]>,
  ): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    writeTotals(totals, out)
    let seen = 0
    for (const [id, session] of sessions) {
      this.save(id, session)
      yield* this.#writeCopies(out)
      if (++seen % SESSIONS_PER_STEP === 0) yield out.take()
      if (!this.#open) return
    }
    for (const [id, generation] of tombstones) {
      if (this.#written >= this.#tombstones) break
      this.#written++
      this.#copies.push({ id, session: generation })
      yield* this.#writeCopies(out)
      if (++seen % SESSIONS_PER_STEP === 0) yield out.take()
      if (!this.#open) return
    }
    yield* this.#writeCopies(out)
    if (out.length > 0) yield out.take()
    this.release()
  }

  *#writeCopies(out: ChunkWriter): Iterable<Uint8Array> {
    for (let copy = this.#copies.pop(); copy !== undefined; copy = this.#copies.pop()) yield* writeSession(copy, out)
  }
}

export function copyOf(id: string, session: Session | number): SessionCopy {
  if (typeof session === 'number') return { id, session }
  const { usedIn, acknowledged } = session
  return { id, session: { usedIn, acknowledged, entries: [...session.entries()] } }
}

export function writeTotals({ generation, size, lo, hi, age }: SessionTableTotals, out: ChunkWriter): void {
  out.u64(generation)
  out.u32(size)
  out.u32(lo)
  out.u32(hi)
  out.u64(age.ticks)
  out.u64(age.epoch)
  out.u32(age.claims)
  out.u8(age.begins.length)
  for (const generation of age.begins) out.u64(generation)
}

export function* writeSession({ id, session }: SessionCopy, out: ChunkWriter): Iterable<Uint8Array> {
  out.u8(id.length)
  out.bytes(fromLatin1(id))
  out.u8(typeof session === 'number' ? 0 : 1)
  if (typeof session === 'number') out.u64(session)
  else {
    out.u64(session.usedIn)
    out.u64(session.acknowledged)
    out.u32(session.entries.length)
    for (const [number, result] of session.entries) {
      out.u64(number)
      out.u32(result === GONE ? GONE_LENGTH : result.length)
      out.bytes(result)
      if (out.full) yield out.take()
    }
  }
  if (out.full) yield out.take()
}
