import { EpaxosError, ErrorCode } from '../../src/errors.ts'
import type {
  CheckpointHeader,
  CheckpointOrigin,
  CheckpointReader,
  CheckpointReceiver,
  CheckpointStore,
  CheckpointWriter,
} from '../../src/storage/checkpoints.ts'

/** Told of what one life does with its checkpoints. */
export interface CheckpointWatch {
  /** The image is as of now. */
  begun(header: CheckpointHeader): void
  /** It is whole and synced; the journal before it is still there. */
  finished(header: CheckpointHeader): void
  abandoned(): void
  /** What it reads is not what was written. */
  damaged(): void
  /** The replica begins to read one. */
  read(header: CheckpointHeader): void
  /** The replica begins to install one of a peer. */
  installs(header: CheckpointHeader): void
  /** A promise is open until the other call. */
  unsettled(): void
  settled(): void
}

/** The checkpoints of a simulated process, watched. */
export class WatchedCheckpoints implements CheckpointStore {
  readonly #inner: CheckpointStore
  readonly #watch: CheckpointWatch

  constructor(inner: CheckpointStore, watch: CheckpointWatch) {
    this.#inner = inner
    this.#watch = watch
  }

  get whole(): readonly number[] {
    return this.#inner.whole
  }

  latest(): CheckpointReader | null {
    return this.#inner.latest()
  }

  read(number: number): CheckpointReader {
    try {
      const reader = this.#inner.read(number)
      this.#watch.read(reader.header)
      const chunks = reader.chunks.bind(reader)
      return Object.assign(reader, { chunks: (section: string) => this.#checked(chunks(section)) })
    } catch (error) {
      if (isDamage(error)) this.#watch.damaged()
      throw error
    }
  }

  settle(): void {
    this.#inner.settle()
  }

  begin(header: CheckpointHeader): CheckpointWriter {
    const writer = this.#inner.begin(header)
    this.#watch.begun(header)
    return {
      get bytes() {
        return writer.bytes
      },
      append: (section, bytes) => this.#settling(writer.append(section, bytes)),
      finish: (journal) => this.#settling(writer.finish(journal).then(() => this.#watch.finished(header))),
      abandon: () => {
        this.#watch.abandoned()
        return this.#settling(writer.abandon())
      },
    }
  }

  received(): CheckpointReceiver | null {
    const receiver = this.#inner.received()
    return receiver === null ? null : this.#watched(receiver)
  }

  async receive(origin: CheckpointOrigin, seal: Uint8Array): Promise<CheckpointReceiver> {
    return this.#watched(await this.#settling(this.#inner.receive(origin, seal)))
  }

  #watched(receiver: CheckpointReceiver): CheckpointReceiver {
    const { header, origin, bytes, chunkCount } = receiver
    return {
      ...{ header, origin, bytes, chunkCount },
      get received() {
        return receiver.received
      },
      append: (chunk) => this.#settling(receiver.append(chunk)),
      read: () => {
        this.#watch.installs(header)
        this.#watch.unsettled()
        const reader = receiver.read()
        const close = reader.close.bind(reader)
        return Object.assign(reader, {
          close: () => {
            close()
            this.#watch.settled()
          },
        })
      },
      discard: () => this.#settling(receiver.discard()),
    }
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  *#checked(chunks: Iterable<Uint8Array>): Iterable<Uint8Array> {
    try {
      yield* chunks
    } catch (error) {
      if (isDamage(error)) this.#watch.damaged()
      throw error
    }
  }

  #settling<T>(promise: Promise<T>): Promise<T> {
    this.#watch.unsettled()
    // Once more, so that what waits for the promise goes first.
    const end = () => void Promise.resolve().then(() => this.#watch.settled())
    promise.then(end, end)
    return promise
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof EpaxosError && error.code === ErrorCode.damaged
}
