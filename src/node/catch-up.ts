import { decodeImage } from '../codec/image.ts'
import { FORMAT_VERSION, MAX_RUNS } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Executor } from '../execution/executor.ts'
import type { Restoring } from '../execution/machine.ts'
import type { Core } from '../protocol/core.ts'
import type { Member } from '../protocol/membership.ts'
import { type CheckpointAsk, type CheckpointMessage, MessageType } from '../protocol/messages.ts'
import { coarse, contains, type Executed, executedOf, plus } from '../protocol/runs.ts'
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import type { MemberIdentity } from '../transport/transport.ts'
import { CheckpointFetcher, type FetchProgress } from './checkpoint-fetcher.ts'
import { CheckpointGiver, executedBy } from './checkpoint-giver.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import type { Part } from './part.ts'

/** How much of a checkpoint is read in one turn, in ms. */
const SLICE_MS = 5

/** A peer has forgotten what this replica lacks for so long: until then another peer may tell it. */
const BEHIND_MS = 1000

/** Until the next try of a checkpoint that failed, or that another install ended. */
const SETTLE_MS = 100

export interface CatchUpOptions {
  readonly core: Core
  readonly executor: Executor
  readonly identity: MemberIdentity
  readonly store: CheckpointStore
  readonly checkpointer: Checkpointer
  readonly clock: Clock
  readonly logger: Logger
  readonly arm: () => void
  readonly failed: (error: Error) => void
  readonly send: (row: number, message: CheckpointMessage) => void
  readonly unsentBytes: (row: number) => number
  /** Whether the disk has space for so many bytes, besides what must stay free. */
  readonly hasSpace: (bytes: number) => boolean
  /** This replica is behind: whatever it has shown of its readiness does not count any more. */
  readonly behind: () => void
  /** An own instance has executed elsewhere: its results are not known here. */
  readonly executedElsewhere: (slot: number) => void
}

/**
 * Catching up by checkpoints (protocol.md §10): gives those of this replica to peers, and fetches and installs one of a
 * peer when what this replica lacks is forgotten elsewhere.
 */
export class CatchUp implements Part {
  readonly #options: CatchUpOptions
  readonly #giver: CheckpointGiver
  readonly #fetcher: CheckpointFetcher
  #stopped = false
  #overtaken = false
  /** Since when it is behind, in ms; null if it is not. */
  #behindMs: number | null = null

  constructor(options: CatchUpOptions) {
    const { core, identity, store, logger, send, checkpointer } = options
    const { epoch, members } = identity.members
    this.#options = options
    this.#giver = new CheckpointGiver({
      ...{ store, epoch, logger, send, unsentBytes: options.unsentBytes, arm: options.arm },
      wanted: (by) => {
        // A new one is of use if it would contain that.
        if (!checkpointer.busy && contains(this.#executed, by)) this.#takeOne()
      },
    })
    this.#fetcher = new CheckpointFetcher({
      ...{ store, epoch, logger, send, failed: options.failed },
      behind: () => this.#isBehind,
      givers: () => core.peersWithCheckpoint.filter((row) => core.alive(row)),
      needed: (row) => {
        const lacking = core.lackingFrom(row)
        return lacking === null ? null : { lacking, executed: coarse(this.#executed, MAX_RUNS) }
      },
      // It contains what has executed here, and something that is lacking: what is installed already does not.
      isUseful: (header) => {
        const there = executedBy(header)
        const lacking = core.peersWithCheckpoint.flatMap((row) => core.lackingFrom(row) ?? [])
        return lacking.some((instance) => contains(there, plus(this.#executed, instance)))
      },
      hasSpace: options.hasSpace,
      idOf: (row) => (members[row] as Member).id,
      still: () => options.executor.betweenComponents,
      hold: (held) => {
        options.executor.held = held
        if (held) options.behind()
        else options.arm()
      },
      install: (reader) => this.#install(reader),
      settled: () => this.#settle(),
    })
  }

  /** Why this replica answers no client; null if it is not behind. */
  get reason(): string | null {
    const { active, progress } = this.#fetcher
    if (!active) return null
    return `behind: a checkpoint is fetched from a peer${progress === null ? '' : ` (${inWords(progress)})`}`
  }

  get numbers() {
    const { progress, installed } = this.#fetcher
    const { givenBytes, notYet } = this.#giver
    const { receivedBytes = 0, bytes = 0, remainingMs = null } = progress ?? {}
    return {
      ...{ checkpointsInstalled: installed, checkpointGivenBytes: givenBytes, checkpointsNotYet: notYet },
      ...{ fetchedBytes: receivedBytes, fetchBytes: bytes, fetchRemainingMs: remainingMs ?? 0 },
    }
  }

  receive(row: number, message: CheckpointMessage): void {
    if (message.type === MessageType.checkpointAsk) this.#give(row, message)
    else this.#fetcher.receive(row, message)
  }

  #give(row: number, ask: CheckpointAsk): void {
    this.#giver.receive(row, ask, plus(ask.executed, ask.lacking), this.#options.clock.now())
  }

  /** After the frames of the turn: what is given to peers leaves with the next one. */
  background(): void {
    this.#giver.background()
  }

  poll(nowMs: number): void {
    this.#giver.poll(nowMs)
    this.#fetcher.poll(nowMs)
  }

  /** Its peers are in a later epoch: nothing of this one is fetched any more. */
  overtake(): void {
    this.#overtaken = true
  }

  stop(): void {
    this.#stopped = true
    this.#giver.stop()
  }

  get #isBehind(): boolean {
    const nowMs = this.#options.clock.now()
    if (this.#options.executor.closed || this.#overtaken) return false
    if (this.#options.core.peersWithCheckpoint.length === 0) this.#behindMs = null
    else this.#behindMs ??= nowMs
    return this.#behindMs !== null && nowMs - this.#behindMs >= BEHIND_MS
  }

  get #executed(): Executed {
    const { executed } = this.#options.core
    const prefix = executed.vector
    return executedOf(
      prefix,
      prefix.map((_, row) => executed.beyond(row)),
    )
  }

  async #install(reader: CheckpointReader): Promise<void> {
    const { executor, identity, checkpointer, failed, arm } = this.#options
    checkHeader(reader, identity)
    const read = executor.restoring((section) => reader.chunks(section))
    await this.#inSlices(decodeImage(reader.chunks('core'), identity.members))
    await this.#inSlices(read.steps)
    // What is being written is as of before.
    checkpointer.stop()
    try {
      this.#replace(reader, read)
    } catch (error) {
      // Half of it may be replaced. Nothing of that is durable: a restart leads back to where it was.
      failed(error as Error)
      throw new EpaxosError(ErrorCode.closed, 'the replica has failed')
    }
    arm()
  }

  #replace(reader: CheckpointReader, read: Restoring): void {
    const { core, identity, executedElsewhere } = this.#options
    const installed = core.install(decodeImage(reader.chunks('core'), identity.members))
    read.finish()
    for (const slot of installed.executedElsewhere) executedElsewhere(slot)
  }

  #takeOne(): void {
    this.#options.checkpointer.take().then(
      (reader) => reader.close(),
      // The peer asks again.
      () => {},
    )
  }

  /** Takes a checkpoint of what was installed; tries until there is one. */
  async #settle(): Promise<void> {
    const { core, checkpointer, clock } = this.#options
    for (;;) {
      try {
        const reader = await checkpointer.take()
        core.settled(reader.header)
        return reader.close()
      } catch (error) {
        if (!(error instanceof EpaxosError) || this.#stopped) throw error
        await new Promise<void>((resolve) => void clock.after(SETTLE_MS, resolve))
      }
    }
  }

  async #inSlices(steps: Iterable<unknown>): Promise<void> {
    const { clock } = this.#options
    let end = clock.now() + SLICE_MS
    for (const _ of steps) {
      if (clock.now() < end) continue
      await new Promise<void>((resolve) => clock.soon(resolve))
      if (this.#stopped) throw new EpaxosError(ErrorCode.closed, 'the replica is closed')
      end = clock.now() + SLICE_MS
    }
  }
}

function checkHeader({ header }: CheckpointReader, { cluster, members }: MemberIdentity): void {
  const isOurs = header.formatVersion === FORMAT_VERSION && header.cluster === cluster && header.epoch === members.epoch
  if (!isOurs)
    throw new EpaxosError(ErrorCode.malformed, 'a peer gave a checkpoint of another cluster, epoch or format')
}

function inWords({ receivedBytes, bytes, remainingMs }: FetchProgress): string {
  const percent = bytes === 0 ? 100 : Math.floor((100 * receivedBytes) / bytes)
  const size = `${percent} % of ${(bytes / 1e6).toFixed(1)} MB`
  return remainingMs === null ? size : `${size}, ${Math.ceil(remainingMs / 1000)} s left`
}
