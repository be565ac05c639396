import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Executor } from '../execution/executor.ts'
import type { ExecutionImage } from '../execution/image.ts'
import type { Numbers } from '../metrics/numbers.ts'
import type { Core } from '../protocol/core.ts'
import type { Image } from '../protocol/image.ts'
import type { CheckpointReader, CheckpointStore, CheckpointWriter } from '../storage/checkpoints.ts'
import type { Journal } from '../storage/journal.ts'
import type { MemberIdentity } from '../transport/transport.ts'
import type { Clock } from './clock.ts'
import type { EpochStart } from './epoch-start.ts'
import { imagePieces, type Piece } from './image-pieces.ts'
import type { Incarnations } from './incarnations.ts'
import type { JournalWriter } from './journal-writer.ts'
import type { Logger } from './logger.ts'
import type { Part } from './part.ts'
import { restoreCheckpoint } from './restore.ts'
import { WantedCheckpoints } from './wanted-checkpoints.ts'

/** When a checkpoint is taken, and how much of it is written in a turn. */
export interface CheckpointLimits {
  /** A checkpoint is due when the journal has grown by this much, or by the size of the last one if that is larger. */
  readonly leastBytes: number
  /** What is written in one turn ends with the first of these. */
  readonly sliceBytes: number
  readonly sliceMs: number
  /**
   * Of a checkpoint, besides twice what the journal grows by: on one disk, the journal waits for what the checkpoint
   * writes.
   */
  readonly bytesPerMs: number
}

export const CHECKPOINT_LIMITS: CheckpointLimits = {
  leastBytes: 64 << 20,
  sliceBytes: 64 << 10,
  sliceMs: 3,
  bytesPerMs: 16 << 10,
}

/** After a checkpoint that could not be written. */
const RETRY_MS = 10_000

/** Between two looks at what the peers need of the journal. */
const TRIM_MS = 1000

/**
 * A journal of so many times the size at which a checkpoint is due does not wait for peers that lack what it holds: to
 * fetch a checkpoint costs them less.
 */
const OWED_FACTOR = 4

export interface CheckpointerOptions {
  readonly core: Core
  readonly executor: Executor
  readonly incarnations: Incarnations
  readonly identity: MemberIdentity
  readonly epochStart: EpochStart | null
  readonly journal: Journal
  readonly journalWriter: JournalWriter
  readonly store: CheckpointStore
  readonly limits: CheckpointLimits
  /** See {@link restoreCheckpoint}. */
  readonly hasState: boolean
  readonly clock: Clock
  readonly logger: Logger
  /** There is more to write: a turn is needed. */
  readonly arm: () => void
  /** Whether the disk has space for so many bytes, besides what must stay free. */
  readonly hasSpace: (bytes: number) => boolean
}

/** A checkpoint that is being written. */
interface Writing {
  readonly writer: CheckpointWriter
  /** It holds the effects of the journal's values up to this number. */
  readonly number: number
  readonly image: Image
  readonly execution: ExecutionImage
  readonly pieces: Iterator<Piece>
  readonly sinceMs: number
  /** The next piece, which did not belong to the section of the last slice. */
  held: Piece | null
  /** The disk has not taken the last slice yet, or everything is written. */
  waits: boolean
}

/**
 * Takes checkpoints (protocol.md §10): the image of everything as of one point between two components, written in the
 * background, some of it in each turn. When it is whole and synced, the journal before that point goes, as far as no
 * peer may need it.
 */
export class Checkpointer implements Part {
  readonly #options: CheckpointerOptions
  readonly #wanted = new WantedCheckpoints()
  #writing: Writing | null = null
  /** What the journal had been given, in bytes, at the point of the last checkpoint. */
  #baseBytes = 0
  #lastBytes = 0
  /** The journal is not needed for a restart up to this value. */
  #number = 0
  #trimmedTo = 0
  #trimMs = 0
  #retryMs = 0
  /** In this turn every record has been given to the journal. */
  #flushed = false
  #taken = 0
  #ended = false
  #failures = 0
  /** The last one is being removed: the store has one unfinished checkpoint at most. */
  #abandoning: Promise<void> | null = null

  constructor(options: CheckpointerOptions) {
    this.#options = options
  }

  /** Restores everything from the last checkpoint, if there is one; returns its number in the journal, or 0. */
  async restore(): Promise<number> {
    const { number, bytes } = await restoreCheckpoint(this.#options)
    this.#lastBytes = bytes
    this.#number = number
    return number
  }

  /** @param bytes of the journal behind the last checkpoint, which was replayed */
  replayed(bytes: number): void {
    this.#baseBytes = this.#options.journalWriter.bytes - bytes
  }

  get numbers(): Pick<Numbers, 'checkpoints' | 'checkpointFailures' | 'checkpointBytes'> {
    return { checkpoints: this.#taken, checkpointFailures: this.#failures, checkpointBytes: this.#lastBytes }
  }

  /**
   * Takes a checkpoint as of a point after this call, whether one is due or not. Resolves with it when it is whole:
   * close the reader. Rejects with an `EpaxosError`: `disk_full`, `storage`, or `closed`.
   */
  take(): Promise<CheckpointReader> {
    if (this.#ended) return Promise.reject(new EpaxosError(ErrorCode.closed, 'no checkpoint is taken any more'))
    this.#options.arm()
    return this.#wanted.want()
  }

  /** Whether a checkpoint will be begun as soon as possible, or is being written. */
  get busy(): boolean {
    return this.#wanted.any || this.#writing !== null
  }

  turn(nowMs: number): void {
    this.#flushed = this.#isDue(nowMs)
    // Then the image and the journal meet in one point: a replay never repeats what the image holds.
    if (this.#flushed) this.#options.core.hasten()
  }

  turned(nowMs: number): void {
    const isPoint = this.#flushed && this.#options.executor.betweenComponents
    this.#flushed = false
    if (isPoint) this.#begin(nowMs)
  }

  poll(nowMs: number): void {
    if (this.#trimmedTo < this.#number && nowMs >= this.#trimMs) this.#trim(nowMs)
  }

  /** Writes some more. */
  background(): void {
    const writing = this.#writing
    if (writing === null || writing.waits) return
    const slice = this.#slice(writing)
    if (slice === null) return this.#options.arm()
    writing.waits = true
    if (slice === 'end') return this.#finish(writing)
    writing.writer.append(...slice).then(
      () => this.#goOnInTime(writing),
      (error) => this.#giveUp(writing, error as Error),
    )
  }

  #goOnInTime(writing: Writing): void {
    const { clock, limits, journalWriter } = this.#options
    const grownBytes = journalWriter.bytes - this.#baseBytes
    const spentMs = clock.now() - writing.sinceMs
    const pauseMs = (writing.writer.bytes - 2 * grownBytes) / limits.bytesPerMs - spentMs
    const goOn = () => {
      writing.waits = false
      this.#options.arm()
    }
    if (pauseMs < 1) goOn()
    else clock.after(pauseMs, goOn)
  }

  /** What is unfinished is given up: the disk needs the space, or the replica ends. */
  stop(): void {
    const writing = this.#writing
    this.#writing = null
    this.#wanted.givenUp()
    if (writing === null) return
    release(writing)
    this.#retryMs = this.#options.clock.now() + RETRY_MS
    this.#abandoning = writing.writer.abandon().then(() => {
      this.#abandoning = null
    })
  }

  /** Takes none any more. Resolves when the store has no unfinished one. */
  async end(): Promise<void> {
    this.#ended = true
    this.stop()
    await this.#abandoning
  }

  #isDue(nowMs: number): boolean {
    const { journalWriter, limits, hasSpace } = this.#options
    if (this.#ended || this.#writing !== null || this.#abandoning !== null) return false
    const grownBytes = journalWriter.bytes - this.#baseBytes
    const isGrown = nowMs >= this.#retryMs && grownBytes >= this.#dueBytes
    if (!isGrown && !this.#wanted.any) return false
    // For one that somebody waits for, a guess of its size is enough.
    const moreBytes = this.#wanted.any ? Math.min(grownBytes, limits.leastBytes) : limits.leastBytes
    const fits = hasSpace(this.#lastBytes + moreBytes)
    if (!fits) this.#wanted.noSpace()
    return fits
  }

  get #dueBytes(): number {
    return Math.max(this.#options.limits.leastBytes, this.#lastBytes)
  }

  #begin(nowMs: number): void {
    const { core, executor, incarnations, identity, epochStart, journal, journalWriter, store } = this.#options
    const { cluster, id, members } = identity
    const image = core.image()
    const { executed, beyond } = image.head
    let writer: CheckpointWriter
    try {
      const head = { formatVersion: FORMAT_VERSION, cluster, id, epoch: members.epoch }
      writer = store.begin({ ...head, journal: journal.last, executed, beyond })
    } catch (error) {
      image.release()
      return this.#tellFailure(error as Error)
    }
    const execution = executor.capture()
    const pieces = imagePieces(epochStart, incarnations.image(), image, execution)
    this.#wanted.begun()
    const progress = { held: null, waits: false }
    this.#writing = {
      ...{ writer, number: journal.last, image, execution, pieces, sinceMs: nowMs, ...progress },
    }
    this.#baseBytes = journalWriter.bytes
    this.#options.arm()
  }

  /** The next bytes of one section, as much as a turn may read; null if there are none yet. */
  #slice(writing: Writing): Piece | 'end' | null {
    const { clock, limits } = this.#options
    const end = clock.now() + limits.sliceMs
    const chunks: Uint8Array[] = []
    let section = ''
    for (let size = 0; size < limits.sliceBytes && clock.now() < end; ) {
      const piece = writing.held ?? writing.pieces.next().value
      writing.held = null
      if (piece === undefined && size === 0) return 'end'
      if (piece === undefined) break
      const [name, bytes] = piece as Piece
      if (size > 0 && name !== section) {
        writing.held = piece as Piece
        break
      }
      section = name
      size += bytes.length
      if (bytes.length > 0) chunks.push(bytes)
    }
    return chunks.length === 0 ? null : [section, Buffer.concat(chunks)]
  }

  #finish(writing: Writing): void {
    // Numbers of the journal must not be used twice: what the image holds must be durable, too.
    this.#options.core.afterDurable(writing.number, () => {
      if (this.#writing !== writing) return
      writing.writer.finish().then(
        () => this.#finished(writing),
        (error) => this.#giveUp(writing, error as Error),
      )
    })
  }

  #finished(writing: Writing): void {
    const { clock, logger, store } = this.#options
    release(writing)
    const nowMs = clock.now()
    const { number, writer, sinceMs } = writing
    this.#taken++
    this.#number = number
    this.#lastBytes = writer.bytes
    logger.info({ journal: number, bytes: writer.bytes, ms: Math.round(nowMs - sinceMs) }, 'checkpoint taken')
    this.#trim(nowMs)
    if (this.#writing !== writing) return
    this.#writing = null
    this.#wanted.finished(() => store.latest() as CheckpointReader)
  }

  #giveUp(writing: Writing, error: Error): void {
    if (this.#writing !== writing) return
    this.#wanted.failed(ErrorCode.storage, error.message)
    this.stop()
    this.#tellFailure(error)
  }

  #tellFailure({ message }: Error): void {
    this.#wanted.failed(ErrorCode.storage, message)
    this.#failures++
    this.#retryMs = this.#options.clock.now() + RETRY_MS
    this.#options.logger.error({ error: message }, 'the checkpoint could not be written: the one before it stays')
  }

  /** A peer that is behind may need batches that are in the journal only. */
  #trim(nowMs: number): void {
    const { core, journal } = this.#options
    this.#trimMs = nowMs + TRIM_MS
    const waits = journal.bytes <= OWED_FACTOR * this.#dueBytes
    this.#trimmedTo = waits ? Math.min(this.#number, core.oldestOwedValue - 1) : this.#number
    journal.trim(this.#trimmedTo + 1)
  }
}

function release({ image, execution }: Writing): void {
  image.release()
  execution.release()
}
