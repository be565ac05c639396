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
  /** The hash of the table, two lanes. */
  readonly lo: number
  readonly hi: number
}

/** A session as it was; null for a tombstone. Results never change, so they are not copied. */
export type SessionCopy = {
  readonly id: string
  readonly session: {
    readonly usedIn: number
    readonly acknowledged: number
    readonly entries: readonly (readonly [number, Uint8Array])[]
  } | null
}

/**
 * The sessions of a table as of one moment, written while the table goes on changing (copy on update): what changes
 * before its turn is copied first.
 *
 * Format: `u64 generation, u32 size, u32 lo, u32 hi`, and per session `u8 length, name, u8 0` for a tombstone, or `u8
 * 1, u64 used in, u64 acknowledged, u32 count` and per request `u64 number, u32 length, result`. The order is that of
 * the table, with the changed ones between.
 */
export class SessionImage {
  /** Iterated once. A step may give an empty chunk. */
  readonly chunks: Iterable<Uint8Array>
  readonly #number: number
  readonly #released: () => void
  /** Copied, and not written yet. */
  #copies: SessionCopy[] = []
  /** Names of tombstones that were made meanwhile. */
  readonly #newTombstones = new Set<string>()
  #open = true

  /** @param number differs from that of the image before */
  constructor(
    number: number,
    totals: SessionTableTotals,
    sessions: Iterable<readonly [string, Session | null]>,
    released: () => void,
  ) {
    this.#number = number
    this.#released = released
    this.chunks = this.#walk(totals, sessions)
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

  /** The name has become a tombstone. */
  closed(id: string): void {
    this.#newTombstones.add(id)
  }

  release(): void {
    this.#open = false
    this.#copies = []
    this.#released()
  }

  *#walk(totals: SessionTableTotals, sessions: Iterable<readonly [string, Session | null]>): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    writeTotals(totals, out)
    let seen = 0
    for (const [id, session] of sessions) {
      if (session !== null) this.save(id, session)
      else if (!this.#newTombstones.has(id)) this.#copies.push({ id, session: null })
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

export function copyOf(id: string, session: Session | null): SessionCopy {
  if (session === null) return { id, session }
  const { usedIn, acknowledged } = session
  return { id, session: { usedIn, acknowledged, entries: [...session.entries()] } }
}

export function writeTotals({ generation, size, lo, hi }: SessionTableTotals, out: ChunkWriter): void {
  out.u64(generation)
  out.u32(size)
  out.u32(lo)
  out.u32(hi)
}

export function* writeSession({ id, session }: SessionCopy, out: ChunkWriter): Iterable<Uint8Array> {
  out.u8(id.length)
  out.bytes(fromLatin1(id))
  out.u8(session === null ? 0 : 1)
  if (session !== null) {
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
