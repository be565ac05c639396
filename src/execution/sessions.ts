import { EpaxosError, ErrorCode } from '../errors.ts'
import { fromLatin1, latin1 } from './bytes.ts'
import { ChunkReader, ChunkWriter, hashChunks } from './chunks.ts'
import { Status } from './results.ts'
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

  /** Sessions that are open, and the tombstones of those that expired. */
  get size(): number {
    return this.#sessions.size
  }

  /** The session `id`, opened if it never was; null where it expired. */
  open(id: string): Session | null {
    const session = this.#sessions.get(id)
    if (session !== undefined) return session
    const opened = new Session()
    this.#sessions.set(id, opened)
    return opened
  }

  /** No request of the session is applied any more. */
  expire(id: string): void {
    this.#sessions.set(id, null)
  }

  /** A hash of the whole table, equal for equal tables. */
  hash(): string {
    return hashChunks(this.snapshot())
  }

  /** The whole table in chunks; equal tables give equal bytes. */
  *snapshot(): Iterable<Uint8Array> {
    const out = new ChunkWriter()
    out.u32(this.#sessions.size)
    for (const id of [...this.#sessions.keys()].sort()) {
      const session = this.#sessions.get(id)
      out.u8(id.length)
      out.bytes(fromLatin1(id))
      out.u8(session ? 1 : 0)
      if (session) yield* writeSession(session, out)
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
  }
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
    if (session.judge(number, session.acknowledged) !== Status.applied) {
      throw new EpaxosError(ErrorCode.damaged, 'a snapshot names a request of a session twice, or out of its window')
    }
    session.enter(number, source.bytes(source.u32()))
  }
  return session
}
