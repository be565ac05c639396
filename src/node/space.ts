import type { Numbers } from '../metrics/numbers.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** The free space of a disk. Implementations: the real one in storage/space.ts, and the simulator's. */
export interface Space {
  /** Bytes that can still be written. Rejects with an `EpaxosError` with code `storage` if the directory is lost. */
  free(): Promise<number>
  /** With less than this many bytes free, updates are refused. */
  readonly nearlyFullBytes: number
  /** With less than this many bytes free, the replica stops taking part, until `nearlyFullBytes` are free again. */
  readonly fullBytes: number
}

export interface SpaceWatchOptions {
  readonly space: Space
  readonly clock: Clock
  readonly logger: Logger
  /** What changes: whether updates are refused, and whether the replica takes part in nothing. */
  readonly changed: (nearlyFull: boolean, full: boolean) => void
  /** The directory is lost. */
  readonly failed: (error: Error) => void
}

/** Often enough that the reserved space cannot fill up in between: while it is short, more often. */
const SHORT_LOOK_MS = 25
const LOOKS = 8

/**
 * Refuses updates, and then everything, while the disk has too little space, and takes part again when there is enough.
 * What is written to a deleted directory is lost: the replica stops, because nothing more may be reported as durable.
 */
export class SpaceWatch {
  readonly #options: SpaceWatchOptions
  #freeBytes = 0
  #nearlyFull = false
  #full = false
  #looking = false
  #stop: () => void = () => {}

  constructor(options: SpaceWatchOptions) {
    this.#options = options
  }

  /** Looks for the first time, then again and again. Rejects if the directory is lost. */
  async start(): Promise<void> {
    await this.#look()
    let times = 0
    this.#stop = this.#options.clock.every(SHORT_LOOK_MS, () => {
      const isDue = this.#nearlyFull || ++times % LOOKS === 0
      // A disk that hangs must not occupy all threads of the pool.
      if (this.#looking || !isDue) return
      this.#looking = true
      this.#look()
        .catch((error) => this.#options.failed(error as Error))
        .finally(() => {
          this.#looking = false
        })
    })
  }

  stop(): void {
    this.#stop()
  }

  /** What the last look has found. */
  get found(): Pick<Numbers, 'freeBytes' | 'nearlyFull' | 'full'> {
    return { freeBytes: this.#freeBytes, nearlyFull: Number(this.#nearlyFull), full: Number(this.#full) }
  }

  /** Whether so many bytes could be written now, and the replica would still take part. */
  has(bytes: number): boolean {
    return this.#freeBytes - bytes >= this.#options.space.fullBytes
  }

  async #look(): Promise<void> {
    const { space, logger, changed } = this.#options
    const free = await space.free()
    this.#freeBytes = free
    const nearlyFull = free < space.nearlyFullBytes
    const full = nearlyFull && (this.#full || free < space.fullBytes)
    if (nearlyFull === this.#nearlyFull && full === this.#full) return
    if (nearlyFull && !this.#nearlyFull) logger.warn({ free }, 'the disk is nearly full: updates are refused')
    if (full && !this.#full) logger.error({ free }, 'the disk is full: the replica takes no part')
    if (!nearlyFull) logger.warn({ free }, 'there is space again')
    this.#nearlyFull = nearlyFull
    this.#full = full
    changed(nearlyFull, full)
  }
}
