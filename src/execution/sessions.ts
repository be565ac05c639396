import { EpaxosError, ErrorCode } from '../errors.ts'
import { fromLatin1, latin1 } from './bytes.ts'
import { ChunkReader, ChunkWriter, hex, type Lanes, lanesOf } from './chunks.ts'
import { Session } from './session.ts'

/**
 * The sessions of all clients (protocol.md §8): replicated state, changed only at execution, equal at all replicas that have executed the
 * same updates of each session.
 *
 * A session opens with its first update, and is expired only by a command. What expired leaves a tombstone for ever, also where it was
 * never open: a duplicate of one of its requests may still be under way, in an instance that executes later, and would otherwise open
 * the session anew and be applied a second time. A tombstone costs about a hundred bytes, so clients name their sessions at random and
 * use each for long.
 */
export class SessionTable {
  #sessions = new Map<string, Session | null>()
  /** The sum of the hashes of all entries but those in `#changed`. */
  #sumLo = 0
  #sumHi = 0
  /** What each open session that is not in `#changed` adds to the sum. */
  readonly #shares = new Map<Session, Lanes>()
  /** Open sessions that were given away since the last {@link hash}. */
  readonly #changed = new Map<Session, string>()

  /** Sessions that are open, and the tombstones of those that expired. */
  get size(): number {
    return this.#sessions.size
  }

  /** The session `id`, opened if it never was, to be read and changed until the next {@link hash}; null where it expired. */
  open(id: string): Session | null {
    let session = this.#sessions.get(id)
    if (session === undefined) {
      session = new Session()
      this.#sessions.set(id, session)
    }
    if (session !== null && !session.changed) {
      session.changed = true
      this.#changed.set(session, id)
    }
    return session
  }

  /** No request of the session is applied any more. */
  expire(id: string): void {
    const session = this.#sessions.get(id)
    if (session === null) return
    this.#sessions.set(id, null)
    if (session !== undefined) {
      this.#changed.delete(session)
      this.#takeOut(session)
    }
    this.#add(shareOf(id, null))
  }

  /** A hash of the whole table, equal for equal tables. Costs as much as there are sessions that were {@link open}ed since the last call. */
  hash(): string {
    for (const [session, id] of this.#changed) {
      this.#takeOut(session)
      const share = shareOf(id, session)
      this.#shares.set(session, share)
      this.#add(share)
      session.changed = false
    }
    this.#changed.clear()
    return hex(this.#sumHi) + hex(this.#sumLo)
  }

  /** The whole table in chunks; equal tables give equal bytes. */
  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    out.u32(this.#sessions.size)
    for (const id of [...this.#sessions.keys()].sort()) {
      yield* writeEntry(id, this.#sessions.get(id) as Session | null, out)
      if (out.full) yield out.take()
    }
    if (out.length > 0) yield out.take()
  }

  /** Replaces the table by a snapshot's. Throws an `EpaxosError` with code `damaged`; nothing is changed then. */
  restore(chunks: Iterable<Uint8Array>): void {
    const source = new ChunkReader(chunks)
    const sessions = new Map<string, Session | null>()
    for (let left = source.u32(); left > 0; left--) {
      const id = latin1(source.bytes(source.u8()))
      sessions.set(id, source.u8() === 1 ? readSession(source) : null)
    }
    source.end()
    this.#sessions = sessions
    this.#rehash()
  }

  #rehash(): void {
    this.#shares.clear()
    this.#changed.clear()
    this.#sumLo = this.#sumHi = 0
    for (const [id, session] of this.#sessions) {
      if (session === null) this.#add(shareOf(id, null))
      else this.open(id)
    }
  }

  #add({ lo, hi }: Lanes): void {
    this.#sumLo = (this.#sumLo + lo) | 0
    this.#sumHi = (this.#sumHi + hi) | 0
  }

  #takeOut(session: Session): void {
    const share = this.#shares.get(session)
    if (share === undefined) return
    this.#add({ lo: -share.lo, hi: -share.hi })
    this.#shares.delete(session)
  }
}

const shareWriter = new ChunkWriter()

/** What an entry of the table adds to its hash. */
function shareOf(id: string, session: Session | null): Lanes {
  return lanesOf(chunksOf(id, session))
}

function* chunksOf(id: string, session: Session | null): Iterable<Uint8Array> {
  yield* writeEntry(id, session, shareWriter)
  yield shareWriter.take()
}

function* writeEntry(id: string, session: Session | null, out: ChunkWriter): Iterable<Uint8Array> {
  out.u8(id.length)
  out.bytes(fromLatin1(id))
  out.u8(session === null ? 0 : 1)
  if (session !== null) yield* writeSession(session, out)
}

function* writeSession(session: Session, out: ChunkWriter): Iterable<Uint8Array> {
  out.u64(session.acknowledged)
  out.u32(session.size)
  for (const [number, result] of session.entries()) {
    out.u64(number)
    out.u32(result.length)
    out.bytes(result)
    if (out.full) yield out.take()
  }
}

function readSession(source: ChunkReader): Session {
  const session = new Session()
  session.trim(source.u64())
  for (let left = source.u32(); left > 0; left--) {
    const number = source.u64()
    if (!session.restore(number, source.bytes(source.u32()))) {
      throw new EpaxosError(ErrorCode.damaged, 'a snapshot names a request of a session twice, or out of its window')
    }
  }
  return session
}
