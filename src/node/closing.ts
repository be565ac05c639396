import { encodeImage } from '../codec/image.ts'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { encodeRecords } from '../codec/records.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Executor } from '../execution/executor.ts'
import type { Core } from '../protocol/core.ts'
import { imageOfNothing, nothingExecuted } from '../protocol/image.ts'
import type { CheckpointStore, CheckpointWriter } from '../storage/checkpoints.ts'
import type { Journal } from '../storage/journal.ts'
import type { MemberIdentity } from '../transport/transport.ts'
import { appendSection } from './append-section.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { Clock } from './clock.ts'
import { EPOCH_SECTION, type EpochStart, encodeEpochStart } from './epoch-start.ts'
import type { Incarnations } from './incarnations.ts'
import type { Logger } from './logger.ts'

/** After a closing checkpoint that could not be written. */
const RETRY_MS = 2000

export interface ClosingOptions {
  readonly core: Core
  readonly executor: Executor
  readonly incarnations: Incarnations
  readonly identity: MemberIdentity
  readonly journal: Journal
  readonly checkpointer: Checkpointer
  readonly store: CheckpointStore
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Takes part in nothing from now on, or again. When nothing is taken part in, everything has been given to the
   * journal.
   */
  readonly suspend: (suspended: boolean) => void
}

/**
 * Writes the closing checkpoint of an epoch (protocol.md §11): the state after the component of the change, as that in
 * which the next epoch begins. The replica goes on voting until it is nearly whole. What is in the journal then belongs
 * to the closed epoch, so the checkpoint comes after all of it.
 */
export class Closing {
  readonly #options: ClosingOptions
  #ended = false

  constructor(options: ClosingOptions) {
    this.#options = options
  }

  /** Resolves when the checkpoint is whole and synced. Tries until it is; rejects after {@link end}. */
  async run(start: EpochStart): Promise<void> {
    const { checkpointer, clock, logger, suspend } = this.#options
    await checkpointer.end()
    for (;;) {
      try {
        await this.#write(start)
        return
      } catch (error) {
        suspend(false)
        if (this.#ended || !(error instanceof EpaxosError)) throw error
        logger.error(
          { error: error.message },
          'the closing checkpoint could not be written: the epoch does not end yet',
        )
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
      }
    }
  }

  end(): void {
    this.#ended = true
  }

  async #write(start: EpochStart): Promise<void> {
    const { executor, identity, store } = this.#options
    const { cluster, id } = identity
    const { epoch, quorums } = start.members
    const nothing = nothingExecuted(epoch, quorums.replicas)
    const { executed, beyond } = nothing
    const writer = store.begin({ formatVersion: FORMAT_VERSION, cluster, id, epoch, journal: 0, executed, beyond })
    const execution = executor.capture()
    try {
      await writer.append(EPOCH_SECTION, encodeEpochStart(start))
      await this.#append(writer, 'core', encodeImage(imageOfNothing(nothing)))
      for (const { name, chunks } of execution.sections) await this.#append(writer, name, chunks)
      await this.#seal(writer, start)
    } catch (error) {
      await writer.abandon()
      throw error
    } finally {
      execution.release()
    }
  }

  #append(writer: CheckpointWriter, section: string, chunks: Iterable<Uint8Array>): Promise<void> {
    return appendSection(writer, section, chunks, this.#options.clock, () => this.#assertGoesOn())
  }

  /** Nothing of the closed epoch may come into the journal any more. */
  async #seal(writer: CheckpointWriter, { members }: EpochStart): Promise<void> {
    const { core, incarnations, journal, suspend } = this.#options
    suspend(true)
    const number = journal.last
    const records = encodeRecords(incarnations.image(members))
    await new Promise<void>((resolve) => core.afterDurable(number, resolve))
    this.#assertGoesOn()
    await writer.append('members', records)
    await writer.finish(number)
  }

  #assertGoesOn(): void {
    if (this.#ended) throw new EpaxosError(ErrorCode.closed, 'the replica is closed')
  }
}
