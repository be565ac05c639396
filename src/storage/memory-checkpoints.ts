import { EpaxosError, ErrorCode } from '../errors.ts'
import type { NumberedRecord, RecordFile, RecordFiles } from './checkpoint-files.ts'
import { FileCheckpoints } from './checkpoint-store.ts'
import type { CheckpointOrigin, CheckpointStore } from './checkpoints.ts'
import { type Random, tear } from './tear.ts'

export interface MemoryCheckpointsOptions {
  /**
   * Runs `written` when a write that starts now has reached the disk, after any delay, or never. Without it, writes are
   * durable at once.
   */
  readonly schedule?: (written: () => void) => void
  /** Bytes that can still be written; no limit by default. */
  readonly free?: () => number
}

/**
 * A disk in memory for the checkpoints of one replica. A {@link crash} drops what is unfinished and kills the open
 * store; {@link open} then finds the whole ones.
 */
export class MemoryCheckpoints {
  /** While true, writes fail. */
  full = false
  readonly #files = new Map<number, File>()
  #received: { readonly origin: CheckpointOrigin; readonly file: File } | null = null
  readonly #schedule: (written: () => void) => void
  readonly #free: () => number
  /** Counts the crashes: a store from before one neither reads nor writes. */
  #life = 0

  constructor(options: MemoryCheckpointsOptions = {}) {
    this.#schedule = options.schedule ?? ((written) => written())
    this.#free = options.free ?? (() => Number.POSITIVE_INFINITY)
  }

  /** Opens the store, after the last one was closed or has crashed. */
  open(): CheckpointStore {
    this.#life++
    for (const [number, { whole }] of this.#files) if (!whole) this.#files.delete(number)
    return new FileCheckpoints(this.#filesOf(this.#life), 'in memory')
  }

  /** Checkpoints that take space, whole or not. */
  get count(): number {
    return this.#files.size + (this.#received === null ? 0 : 1)
  }

  /** Bytes that the disk holds. */
  get bytes(): number {
    let bytes = 0
    const files = [...this.#files.values(), ...(this.#received === null ? [] : [this.#received.file])]
    for (const { records } of files) for (const { length } of records.values()) bytes += length
    return bytes
  }

  /**
   * Power loss: what is unfinished is gone, and the open store no longer does or reports anything.
   *
   * @param kept decides whether a checkpoint that was just becoming whole is whole; without it, it is not
   */
  crash(kept: Random = () => 1): void {
    this.#life++
    for (const [number, file] of this.#files) {
      if (file.becomingWhole && kept() < 0.5) file.whole = true
      file.becomingWhole = false
      if (!file.whole) this.#files.delete(number)
    }
  }

  /**
   * Flips a bit of the newest whole checkpoint, or cuts one of its records off. Returns what undoes that; null if there
   * is no checkpoint.
   */
  damage(random: Random): (() => void) | null {
    const whole = [...this.#files.values()].filter((file) => file.whole)
    const records = whole.at(-1)?.records
    if (records === undefined) return null
    const [key, record] = [...records][Math.floor(random() * records.size)] as [number, Uint8Array]
    records.set(key, tear(record, random))
    return () => void records.set(key, record)
  }

  /** Like {@link damage}, of a checkpoint that is received; false if no chunk is there. */
  damageReceived(random: Random): boolean {
    const records = this.#received?.file.records
    const key = records === undefined ? 0 : Math.floor(random() * records.size)
    const record = records?.get(key)
    if (key === 0 || record === undefined) return false
    records?.set(key, tear(record, random))
    return true
  }

  /** Another disk with what a crash would leave of this one. */
  copy(options: MemoryCheckpointsOptions = {}): MemoryCheckpoints {
    const copy = new MemoryCheckpoints(options)
    for (const [number, { whole, records }] of this.#files) {
      if (whole) copy.#files.set(number, { whole, becomingWhole: false, records: new Map(records) })
    }
    if (this.#received !== null) {
      const { origin, file } = this.#received
      copy.#received = { origin, file: { ...file, records: new Map(file.records) } }
    }
    return copy
  }

  #filesOf(life: number): RecordFiles {
    const files = this.#files
    const isAlive = () => life === this.#life
    const received = () => this.#received
    const numbers = () => [...files].filter(([, { whole }]) => whole).map(([number]) => number)
    const written = (effect: () => void) => this.#written(isAlive, effect)
    return {
      get whole() {
        return numbers().sort((a, b) => a - b)
      },
      create: (number) => {
        const file = { whole: false, becomingWhole: false, records: new Map() }
        files.set(number, file)
        return new Records(file, written, isAlive)
      },
      open: (number) => new Records(files.get(number) as File, written, isAlive),
      makeWhole: (number) => {
        const file = files.get(number) as File
        file.becomingWhole = true
        return written(() => {
          file.becomingWhole = false
          file.whole = true
        })
      },
      remove: async (number) => {
        if (isAlive()) files.delete(number)
      },
      get received() {
        return received()?.origin ?? null
      },
      openReceived: (origin) => {
        const present = received()
        if (present !== null) return new Records(present.file, written, isAlive)
        const file = { whole: false, becomingWhole: false, records: new Map() }
        this.#received = { origin, file }
        return new Records(file, written, isAlive)
      },
      removeReceived: async () => {
        if (isAlive()) this.#received = null
      },
    }
  }

  /** Resolves when the effect is durable; never after a crash. */
  #written(isAlive: () => boolean, effect: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#schedule(() => {
        if (!isAlive()) return
        if (this.full || this.#free() <= 0) return reject(new EpaxosError(ErrorCode.storage, 'The memory disk is full'))
        effect()
        resolve()
      })
    })
  }
}

interface File {
  whole: boolean
  /** It is being made whole. */
  becomingWhole: boolean
  readonly records: Map<number, Uint8Array>
}

class Records implements RecordFile {
  readonly #file: File
  readonly #written: (effect: () => void) => Promise<void>
  readonly #isAlive: () => boolean
  #open = true

  constructor(file: File, written: (effect: () => void) => Promise<void>, isAlive: () => boolean) {
    this.#file = file
    this.#written = written
    this.#isAlive = isAlive
  }

  write(records: readonly NumberedRecord[]): Promise<void> {
    return this.#written(() => {
      for (const { key, record } of records) this.#file.records.set(key, record.slice())
    })
  }

  read(key: number): Uint8Array | null {
    if (!this.#open || !this.#isAlive()) throw new EpaxosError(ErrorCode.closed, 'The memory disk is closed')
    return this.#file.records.get(key)?.slice() ?? null
  }

  get last(): number {
    return Math.max(-1, ...this.#file.records.keys())
  }

  async close(): Promise<void> {
    this.#open = false
  }
}
