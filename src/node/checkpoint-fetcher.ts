import { EpaxosError, ErrorCode } from '../errors.ts'
import {
  type CheckpointAsk,
  type CheckpointChunk,
  type CheckpointMessage,
  MessageType,
  type NotYet,
} from '../protocol/messages.ts'
import type { CheckpointHeader, CheckpointReader, CheckpointReceiver, CheckpointStore } from '../storage/checkpoints.ts'
import type { Logger } from './logger.ts'
import type { Part } from './part.ts'

/** Chunks asked for and not written yet: what a slow disk here makes wait in memory, at most. */
const WINDOW = 16

/** A giver that is silent for so long is asked again; after some times another one is asked. */
const SILENCE_MS = 2000
const MAX_SILENCES = 3

/** How long to wait where a peer had no checkpoint that is new enough, or where the disk refused one. */
const NOT_YET_MS = 500
const REFUSED_MS = 10_000

/** Between two lines of the log. */
const TELL_MS = 5000

/** What an asker needs of a checkpoint. */
export type Needed = Pick<CheckpointAsk, 'lacking' | 'executed'>

export interface FetcherOptions {
  readonly store: CheckpointStore
  readonly epoch: number
  readonly logger: Logger
  readonly send: (row: number, message: CheckpointMessage) => void
  /** Whether this replica needs a checkpoint. */
  readonly behind: () => boolean
  /** The rows of the peers that are up and may have one. */
  readonly givers: () => readonly number[]
  /** What the checkpoint of the peer in the row must contain; null if it need not be asked. */
  readonly needed: (row: number) => Needed | null
  /** Whether a checkpoint helps this replica. */
  readonly isUseful: (header: CheckpointHeader) => boolean
  /** Whether the disk has space for so many bytes, besides what must stay free. */
  readonly hasSpace: (bytes: number) => boolean
  /** The id of the replica in a row. */
  readonly idOf: (row: number) => number
  /** Whether nothing has executed in part. */
  readonly still: () => boolean
  /** Nothing is executed from now on, or it goes on. */
  readonly hold: (held: boolean) => void
  /**
   * Replaces the state by that of the checkpoint, which {@link isUseful}. Rejects with `damaged` if it is not
   * what the giver has written: then nothing has changed.
   */
  readonly install: (reader: CheckpointReader) => Promise<void>
  /** Resolves when what was installed is durable here without the checkpoint of the peer. */
  readonly settled: () => Promise<void>
  readonly failed: (error: Error) => void
}

/** How far the fetching of a checkpoint is. */
export interface FetchProgress {
  readonly receivedBytes: number
  readonly bytes: number
  /** At the speed so far; null if that is not known yet. */
  readonly remainingMs: number | null
}

/**
 * Fetches a checkpoint from a peer when this replica is behind (protocol.md §10): its peers have forgotten what it
 * lacks. Meanwhile it votes, and executes nothing, so that the checkpoint still contains what has executed here when it
 * is whole. What has arrived is on the disk: a replica that is killed goes on where it was.
 */
export class CheckpointFetcher implements Part {
  readonly #options: FetcherOptions
  #active = false
  /** The peer that is asked, and the one that was asked last; -1 for none. */
  #row = -1
  #lastRow = -1
  #receiver: CheckpointReceiver | null = null
  /** Chunks that came and wait for the disk, in order. */
  #queue: Uint8Array[] = []
  /** The next chunk to come, and the end of those asked for. Numbers count the seal, which is 0. */
  #next = 0
  #asked = 0
  /** Something asynchronous is in progress: the disk, or the installation. */
  #busy = false
  #heardMs = 0
  #silences = 0
  #askAtMs = 0
  #toldMs = 0
  /** When chunks began to come, and how many were here. */
  #since = { ms: 0, received: 0 }
  #nowMs = 0
  #installed = 0

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** While true, this replica executes nothing and answers no linearizable read. */
  get active(): boolean {
    return this.#active
  }

  /** Checkpoints installed since the start. */
  get installed(): number {
    return this.#installed
  }

  /** Null if nothing is fetched, or if nothing is known yet about what is fetched. */
  get progress(): FetchProgress | null {
    const receiver = this.#receiver
    if (!this.#active || receiver === null) return null
    const { received, chunkCount, bytes } = receiver
    const come = received - this.#since.received
    const remainingMs = come === 0 ? null : ((chunkCount - received) * (this.#nowMs - this.#since.ms)) / come
    return { receivedBytes: chunkCount === 0 ? 0 : Math.round((received / chunkCount) * bytes), bytes, remainingMs }
  }

  poll(nowMs: number): void {
    this.#nowMs = nowMs
    const { behind, givers, still } = this.#options
    const isBehind = behind()
    if (!this.#active && isBehind) this.#begin()
    if (!this.#active || this.#busy || !still()) return
    // Another peer had what was lacking.
    if (!isBehind) return this.#giveUp()
    const receiver = this.#receiver
    if (receiver !== null && receiver.received === receiver.chunkCount) return this.#work(() => this.#install(receiver))
    if (this.#row < 0 && nowMs >= this.#askAtMs) this.#choose(givers())
    else if (this.#row >= 0 && nowMs - this.#heardMs > SILENCE_MS) this.#onSilence()
    this.#tell()
  }

  receive(row: number, message: CheckpointChunk | NotYet): void {
    if (!this.#active || row !== this.#row || message.epoch !== this.#options.epoch) return
    this.#heard()
    if (message.type === MessageType.notYet) return this.#leave(NOT_YET_MS)
    const { number, chunk, bytes } = message
    if (chunk === 0) return this.#onSeal(number, bytes)
    if (number !== this.#receiver?.origin.number || chunk !== this.#next) return
    this.#next++
    this.#queue.push(bytes)
    if (!this.#busy) this.#work(() => this.#write())
  }

  #begin(): void {
    const { logger, givers, idOf, store } = this.#options
    logger.warn({ peers: givers().map(idOf) }, 'behind: a checkpoint is fetched from a peer')
    this.#active = true
    this.#options.hold(true)
    this.#receiver = store.received()
    // The peer whose checkpoint began to arrive before a restart comes first.
    const origin = this.#receiver?.origin.giver
    this.#lastRow = (givers().find((row) => idOf(row) === origin) ?? 0) - 1
    this.#askAtMs = this.#nowMs
  }

  #end(): void {
    this.#active = false
    this.#row = -1
    this.#queue = []
    this.#receiver = null
    this.#options.hold(false)
  }

  #giveUp(): void {
    const receiver = this.#receiver
    this.#end()
    void receiver?.discard()
  }

  #choose(givers: readonly number[]): void {
    const row = givers.find((giver) => giver > this.#lastRow) ?? givers[0]
    if (row !== undefined) this.#ask(row)
  }

  /** Begins with this peer, or goes on with what it has given before. */
  #ask(row: number): void {
    this.#row = this.#lastRow = row
    this.#silences = 0
    this.#restart()
  }

  #restart(): void {
    this.#heardMs = this.#nowMs
    this.#queue = []
    const receiver = this.#receiver
    const goesOn = receiver !== null && receiver.origin.giver === this.#options.idOf(this.#row)
    if (!goesOn) return this.#send(0, 0, 1)
    this.#next = this.#asked = receiver.received + 1
    this.#since = { ms: this.#nowMs, received: receiver.received }
    this.#askMore()
  }

  /** Asks for so many chunks that the window is full. */
  #askMore(): void {
    const receiver = this.#receiver as CheckpointReceiver
    const end = Math.min(receiver.received + 1 + WINDOW, 1 + receiver.chunkCount)
    if (this.#asked >= end) return
    const first = this.#asked
    this.#asked = end
    this.#send(receiver.origin.number, first, end - first)
  }

  #send(number: number, chunk: number, count: number): void {
    const { epoch, send } = this.#options
    const needed = this.#options.needed(this.#row)
    if (needed === null) return this.#leave(0)
    send(this.#row, { type: MessageType.checkpointAsk, epoch, ...needed, number, chunk, count })
  }

  #heard(): void {
    this.#heardMs = this.#nowMs
    this.#silences = 0
  }

  #onSilence(): void {
    if (++this.#silences > MAX_SILENCES) this.#leave(0)
    else this.#restart()
  }

  /** Another peer is asked, after a time. What has arrived stays. */
  #leave(ms: number): void {
    this.#row = -1
    this.#askAtMs = this.#nowMs + ms
  }

  #onSeal(number: number, seal: Uint8Array): void {
    if (this.#busy) return
    const giver = this.#options.idOf(this.#row)
    const { origin } = this.#receiver ?? {}
    // It came twice, or late: numbers rise.
    if (origin?.giver === giver && number <= origin.number) return
    this.#work(async () => {
      this.#receiver = null
      this.#receiver = await this.#options.store.receive({ giver, number }, seal)
      // Its chunks, and then a checkpoint of our own.
      if (!this.#options.hasSpace(2 * this.#receiver.bytes)) throw noSpace(this.#receiver.bytes)
      if (this.#options.isUseful(this.#receiver.header)) this.#restart()
      else this.#leave(NOT_YET_MS)
    })
  }

  async #write(): Promise<void> {
    const receiver = this.#receiver as CheckpointReceiver
    for (let chunk = this.#queue.shift(); chunk !== undefined; chunk = this.#queue.shift()) {
      await receiver.append(chunk)
      this.#heard()
      if (this.#row >= 0) this.#askMore()
    }
  }

  async #install(receiver: CheckpointReceiver): Promise<void> {
    const { install, logger } = this.#options
    if (!this.#options.isUseful(receiver.header)) {
      await this.#drop(receiver)
      return this.#leave(NOT_YET_MS)
    }
    const reader = receiver.read()
    try {
      await install(reader)
    } finally {
      reader.close()
    }
    this.#installed++
    logger.info({ bytes: receiver.bytes }, 'a checkpoint of a peer is installed')
    this.#end()
    // Until then a restart leads back to where it was before.
    this.#options
      .settled()
      .then(() => receiver.discard())
      .catch((error: unknown) => this.#onError(error as Error))
  }

  async #drop(receiver: CheckpointReceiver): Promise<void> {
    this.#receiver = null
    await receiver.discard()
  }

  /** One thing at a time. What goes wrong costs what has arrived, and another peer is asked. */
  #work(task: () => Promise<void>): void {
    this.#busy = true
    task()
      .catch((error: unknown) => this.#onError(error as Error))
      .finally(() => {
        this.#busy = false
        this.#heardMs = this.#nowMs
      })
  }

  async #onError(error: Error): Promise<void> {
    const { logger, failed } = this.#options
    const code = error instanceof EpaxosError ? error.code : null
    if (code === ErrorCode.closed) return
    const isForeign = code === ErrorCode.damaged || code === ErrorCode.malformed
    if (!isForeign && code !== ErrorCode.storage) return failed(error)
    logger.error({ error: error.message }, 'a checkpoint of a peer is given up')
    if (this.#receiver !== null) await this.#drop(this.#receiver)
    this.#queue = []
    this.#leave(isForeign ? 0 : REFUSED_MS)
  }

  #tell(): void {
    const { progress } = this
    if (progress === null || this.#nowMs - this.#toldMs < TELL_MS) return
    this.#toldMs = this.#nowMs
    const { receivedBytes, bytes, remainingMs } = progress
    const percent = bytes === 0 ? 100 : Math.floor((100 * receivedBytes) / bytes)
    this.#options.logger.info({ receivedBytes, bytes, percent, remainingMs }, 'a checkpoint is fetched')
  }
}

function noSpace(bytes: number): EpaxosError {
  return new EpaxosError(ErrorCode.storage, `the disk has no space for a checkpoint of ${bytes} bytes of a peer`)
}
