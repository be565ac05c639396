import { EpaxosError } from '../errors.ts'
import { type CheckpointAsk, type CheckpointMessage, MessageType } from '../protocol/messages.ts'
import { contains, type Executed, executedOf } from '../protocol/runs.ts'
import type { CheckpointHeader, CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import type { Logger } from './logger.ts'
import type { Part } from './part.ts'

/** Checkpoints that are kept for their askers, although there may be newer ones: each takes space on the disk. */
const MAX_KEPT = 2

/** A checkpoint that nobody has asked for so long is not kept any more. */
const KEPT_MS = 30_000

/** Nothing more is read for a link with so many unsent bytes: a chunk or two wait there at most. */
const LINK_BYTES = 64 << 10

export interface GiverOptions {
  readonly store: CheckpointStore
  readonly epoch: number
  readonly logger: Logger
  readonly send: (row: number, message: CheckpointMessage) => void
  /** Bytes that the link to a peer has not sent yet. */
  readonly unsentBytes: (row: number) => number
  /** There is more to send: a turn is needed. */
  readonly arm: () => void
  /** A peer needs another checkpoint than there is: one that contains this. */
  readonly wanted: (needed: Executed) => void
}

/** What a peer has asked for and did not get yet. Chunk numbers count the seal. */
interface Request {
  readonly reader: CheckpointReader
  next: number
  end: number
}

/**
 * Gives this replica's checkpoints to peers that are behind (protocol.md §10). Peers pull: a request names the chunks,
 * and one chunk for each peer is read and sent in a turn, as far as its link takes them. So a slow peer costs a few
 * words of memory, and the space of a checkpoint that is older than the newest.
 */
export class CheckpointGiver implements Part {
  readonly #options: GiverOptions
  readonly #requests = new Map<number, Request>()
  /** By their numbers; those that were asked for last come last. */
  readonly #kept = new Map<number, { readonly reader: CheckpointReader; askedMs: number }>()
  #givenBytes = 0
  #notYet = 0

  constructor(options: GiverOptions) {
    this.#options = options
  }

  /** Of chunks sent, since the start. */
  get givenBytes(): number {
    return this.#givenBytes
  }

  /** Requests that were answered with NotYet, since the start. */
  get notYet(): number {
    return this.#notYet
  }

  /** @param needed what must be in the checkpoint */
  receive(row: number, ask: CheckpointAsk, needed: Executed, nowMs: number): void {
    if (ask.epoch !== this.#options.epoch) return
    const reader = this.#attempt(() => this.#readerFor(ask, needed, nowMs))
    if (reader === null) return this.#answerNotYet(row, needed)
    // Of another checkpoint than it has begun with, it needs the seal first.
    const isSame = ask.number === reader.number
    const next = isSame ? ask.chunk : 0
    const end = isSame ? Math.min(ask.chunk + ask.count, 1 + reader.chunkCount) : 1
    const before = this.#requests.get(row)
    // It asks for more while the chunks before that are on their way.
    if (before !== undefined && before.reader === reader && before.end === next) before.end = end
    else this.#requests.set(row, { reader, next, end })
    this.#options.arm()
  }

  /** Sends some of what was asked for. */
  background(): void {
    for (const [row, request] of this.#requests) {
      if (this.#options.unsentBytes(row) > LINK_BYTES) continue
      const isSent = request.next < request.end && this.#attempt(() => this.#send(row, request)) !== null
      if (!isSent || request.next === request.end) this.#requests.delete(row)
      else this.#options.arm()
    }
  }

  poll(nowMs: number): void {
    // A link that was full may have room.
    if (this.#requests.size > 0) this.#options.arm()
    for (const [number, { askedMs }] of this.#kept) if (nowMs - askedMs > KEPT_MS) this.#forget(number)
  }

  stop(): void {
    for (const number of [...this.#kept.keys()]) this.#forget(number)
  }

  /** The checkpoint that it has begun with, or the newest; null if neither contains what it needs. */
  #readerFor(ask: CheckpointAsk, needed: Executed, nowMs: number): CheckpointReader | null {
    const kept = this.#kept.get(ask.number)
    if (kept !== undefined && contains(executedBy(kept.reader.header), needed)) return this.#keep(kept.reader, nowMs)
    const newest = this.#options.store.latest()
    if (newest === null) return null
    if (contains(executedBy(newest.header), needed)) return this.#keep(newest, nowMs)
    newest.close()
    return null
  }

  #answerNotYet(row: number, needed: Executed): void {
    const { epoch, send, wanted } = this.#options
    this.#notYet++
    this.#requests.delete(row)
    send(row, { type: MessageType.notYet, epoch })
    wanted(needed)
  }

  #send(row: number, request: Request): CheckpointReader {
    const { reader } = request
    const chunk = request.next++
    const bytes = chunk === 0 ? reader.seal : reader.chunk(chunk - 1)
    this.#givenBytes += bytes.length
    const { epoch, send } = this.#options
    send(row, { type: MessageType.checkpointChunk, epoch, number: reader.number, chunk, bytes })
    return reader
  }

  /** A checkpoint that cannot be read is not given: another peer may have a good one. */
  #attempt(read: () => CheckpointReader | null): CheckpointReader | null {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.#options.logger.error({ error: error.message }, 'a checkpoint cannot be given to a peer')
      return null
    }
  }

  #keep(reader: CheckpointReader, nowMs: number): CheckpointReader {
    const kept = this.#kept.get(reader.number)
    if (kept !== undefined && kept.reader !== reader) reader.close()
    const entry = { reader: kept?.reader ?? reader, askedMs: nowMs }
    this.#kept.delete(reader.number)
    this.#kept.set(reader.number, entry)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT) this.#forget(oldest as number)
    return entry.reader
  }

  #forget(number: number): void {
    const reader = this.#kept.get(number)?.reader
    this.#kept.delete(number)
    for (const [row, request] of this.#requests) if (request.reader === reader) this.#requests.delete(row)
    reader?.close()
  }
}

export function executedBy({ executed, beyond }: CheckpointHeader): Executed {
  return executedOf(executed, beyond)
}
