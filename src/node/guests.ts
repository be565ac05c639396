import { epochOf, sealedFrames, unsealed } from '../codec/frame.ts'
import { decodeFrame, encodeMessage } from '../codec/peer.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { foundingMembers } from '../protocol/membership.ts'
import { type CheckpointMessage, isCheckpointMessage, MessageType } from '../protocol/messages.ts'
import type { Executed } from '../protocol/runs.ts'
import type { CheckpointHeader, CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import type { Claim, Transport } from '../transport/transport.ts'
import { CheckpointFetcher, type FetchProgress, type Needed } from './checkpoint-fetcher.ts'
import { CheckpointGiver } from './checkpoint-giver.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** The epoch of frames between replicas of different epochs: they carry checkpoints, and nothing else. */
export const GUEST_EPOCH = 0xffff_ffff

const POLL_MS = 25

/** Peers are in a later epoch for so long: until then this replica may get there by itself. */
const AHEAD_MS = 500

/** Nobody's votes are counted by it: it only bounds what is read of a checkpoint message. */
const ANYBODY = foundingMembers(['anybody:1'])

export interface GuestsOptions {
  readonly store: CheckpointStore
  readonly transport: Pick<Transport, 'send' | 'buffered'>
  readonly clock: Clock
  readonly logger: Logger
  /** The epoch that this replica's checkpoints are of. */
  readonly epoch: number
  /** It does not take part yet, so it waits for nothing. */
  readonly isJoiner: boolean
  /** Whether the disk has space for so many bytes. */
  readonly hasSpace: (bytes: number) => boolean
  /** Whether this replica can enter a later epoch only by a peer's checkpoint, and now. */
  readonly mayEnter: () => boolean
  /** Enters the epoch of the checkpoint. Rejects with `damaged` or `malformed` if it is of no use. */
  readonly enter: (reader: CheckpointReader, clusterId: string) => Promise<void>
  readonly failed: (error: Error) => void
}

/** The later epoch of peers that are linked. */
interface Later {
  readonly epoch: number
  readonly clusterId: string
  readonly sinceMs: number
  readonly fetcher: CheckpointFetcher
}

/**
 * Links between replicas of different epochs (protocol.md §11). The one that is behind fetches a checkpoint, which is
 * all that it gets: no request of an earlier epoch is answered, and nothing it says counts anywhere.
 */
export class Guests {
  readonly #options: GuestsOptions
  readonly #giver: CheckpointGiver
  /** By peer, while it may be sent to: what it said of itself. */
  readonly #peers = new Map<number, Claim>()
  #later: Later | null = null
  #armed = false
  #stopped = false
  readonly #stopTimer: () => void

  constructor(options: GuestsOptions) {
    const { store, epoch, logger, clock, transport } = options
    this.#options = options
    this.#giver = new CheckpointGiver({
      ...{ store, epoch, logger, arm: () => this.#arm(), send: (peer, message) => this.#send(peer, message) },
      unsentBytes: (peer) => transport.buffered(peer),
      // Each checkpoint of this epoch is good enough.
      wanted: () => {},
    })
    this.#stopTimer = clock.every(POLL_MS, () => this.#poll())
  }

  /** How far a checkpoint of a later epoch is; null if none is fetched. */
  get progress(): FetchProgress | null {
    return this.#later?.fetcher.progress ?? null
  }

  /** The epoch in which peers are, if it is later than this replica's; otherwise null. */
  get laterEpoch(): number | null {
    return this.#later?.epoch ?? null
  }

  /** A peer of another epoch may be sent to. */
  up(peer: number, claim: Claim): void {
    this.#peers.set(peer, claim)
    const { epoch, clusterId } = claim
    if (epoch <= (this.#later?.epoch ?? this.#options.epoch) || clusterId === null) return
    const sinceMs = this.#later?.sinceMs ?? this.#options.clock.now()
    this.#later = { epoch, clusterId, sinceMs, fetcher: this.#fetcher(epoch, clusterId) }
  }

  down(peer: number): void {
    this.#peers.delete(peer)
  }

  /** A frame between epochs; see `TransportHandlers.frame`. Throws an `EpaxosError` for a malformed one. */
  receive(from: number, bytes: Uint8Array): boolean {
    const frame = unsealed(bytes)
    if (frame === null) return false
    decodeFrame(frame.content, ANYBODY, (message) => {
      if (!isCheckpointMessage(message)) return
      if (message.type !== MessageType.checkpointAsk) return this.#later?.fetcher.receive(from, message)
      this.#giver.receive(from, message, NOTHING, this.#options.clock.now())
    })
    return true
  }

  /** Whether a frame is one between epochs. */
  static isFor(bytes: Uint8Array): boolean {
    return epochOf(bytes) === GUEST_EPOCH
  }

  stop(): void {
    this.#stopped = true
    this.#stopTimer()
    this.#giver.stop()
  }

  #fetcher(epoch: number, clusterId: string): CheckpointFetcher {
    const { store, logger, hasSpace, mayEnter, enter, failed } = this.#options
    return new CheckpointFetcher({
      ...{ store, epoch, logger, hasSpace, failed, needed: () => WHATEVER },
      send: (peer, message) => this.#send(peer, message),
      behind: () => this.#later?.epoch === epoch && this.#isTime(this.#later) && mayEnter(),
      givers: () => [...this.#peers].filter(([, claim]) => claim.epoch === epoch).map(([peer]) => peer),
      isUseful: (header: CheckpointHeader) => header.epoch === epoch,
      idOf: (peer) => peer,
      still: () => true,
      hold: () => {},
      install: (reader) => enter(reader, clusterId),
      settled: () => Promise.resolve(),
    })
  }

  #isTime({ sinceMs }: Later): boolean {
    const { clock, isJoiner } = this.#options
    return isJoiner || clock.now() - sinceMs >= AHEAD_MS
  }

  #send(peer: number, message: CheckpointMessage): void {
    for (const frame of sealedFrames([encodeMessage(message)], GUEST_EPOCH)) this.#options.transport.send(peer, frame)
  }

  #arm(): void {
    if (this.#armed || this.#stopped) return
    this.#armed = true
    this.#options.clock.soon(() => {
      this.#armed = false
      if (!this.#stopped) this.#giver.background()
    })
  }

  #poll(): void {
    const nowMs = this.#options.clock.now()
    this.#giver.poll(nowMs)
    this.#later?.fetcher.poll(nowMs)
  }
}

/** An ask from another epoch: each checkpoint is of use. */
const WHATEVER: Needed = { lacking: { row: 0, slot: 1 }, executed: { prefix: [0], runs: [] } }

/** Whoever comes from another epoch has executed nothing of this one. */
const NOTHING: Executed = { prefix: [], runs: [] }

/** Whether a peer's bytes are at fault, and not this replica. */
export function isForeign(error: unknown): error is EpaxosError {
  return error instanceof EpaxosError && (error.code === ErrorCode.malformed || error.code === ErrorCode.tooLarge)
}
