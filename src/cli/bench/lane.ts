import { setTimeout as pause } from 'node:timers/promises'
import type { Connection, GroupAnswer } from '../../client/connection.ts'
import type { Consistency } from '../../codec/client-messages.ts'
import type { CommandMaker } from './commands.ts'
import type { Latencies } from './latencies.ts'

/** A group stays below this, so that a replica accepts many groups of one client. */
const MAX_GROUP_BYTES = 1 << 20

/** The pause before the next try when a replica refuses. */
const REFUSED_PAUSE_MS = 20

/** What a lane counts; the measuring side reads and clears it. */
export interface LaneCounts {
  done: number
  refused: number
  unknown: number
}

/**
 * A closed loop over one link: a fixed number of commands is in flight at any time. What is answered in a turn is
 * replaced by one group.
 */
export class Lane {
  readonly counts: LaneCounts = { done: 0, refused: 0, unknown: 0 }
  readonly #connection: Connection
  readonly #maker: CommandMaker
  readonly #latencies: Latencies
  readonly #session: string | null
  readonly #consistency: Consistency
  /** The first request number of each unanswered group, in order. */
  readonly #open = new Set<number>()
  #next = 1
  #answered = 0
  #stopped = false

  /**
   * @param session null for commands that are not protected against being done twice
   * @param consistency how the commands are answered; anything but the log is for reads
   */
  constructor(
    connection: Connection,
    maker: CommandMaker,
    latencies: Latencies,
    session: string | null,
    consistency: Consistency = 'log',
  ) {
    this.#connection = connection
    this.#maker = maker
    this.#latencies = latencies
    this.#session = session
    this.#consistency = consistency
  }

  start(outstanding: number): void {
    const most = Math.max(1, Math.floor(MAX_GROUP_BYTES / this.#maker.bytesEach))
    for (let left = outstanding; left > 0; left -= most) this.#send(Math.min(left, most))
  }

  /** Hangs up. */
  stop(): void {
    this.pause()
    this.#connection.close()
  }

  /** Nothing that is answered is replaced any more. */
  pause(): void {
    this.#stopped = true
  }

  /** Commands without an answer. */
  get isIdle(): boolean {
    return this.#open.size === 0
  }

  #send(count: number): void {
    if (this.#stopped || this.#connection.closed) return
    const first = this.#next
    this.#next += count
    this.#open.add(first)
    const [oldest] = this.#open
    const session = this.#session
    const options = session === null ? undefined : { session, first, acknowledged: (oldest as number) - 1 }
    const sentAt = performance.now()
    const respond = (answer: GroupAnswer) => this.#onAnswer(answer, first, count, sentAt)
    this.#connection.send(this.#maker.group(count, options), respond, { consistency: this.#consistency })
  }

  #onAnswer(answer: GroupAnswer, first: number, count: number, sentAt: number): void {
    this.#open.delete(first)
    if (answer.outcome === 'done' && this.#maker.areDone(answer.results, count)) {
      this.counts.done += count
      this.#latencies.add((performance.now() - sentAt) * 1000, count)
      this.#replace(count)
    } else {
      this.counts[answer.outcome === 'refused' ? 'refused' : 'unknown'] += count
      void pause(REFUSED_PAUSE_MS, undefined, { ref: false }).then(() => this.#send(count))
    }
  }

  /** All answers of one frame come before the next microtask. */
  #replace(count: number): void {
    if (this.#answered === 0) queueMicrotask(() => this.#sendAnswered())
    this.#answered += count
  }

  #sendAnswered(): void {
    const count = this.#answered
    this.#answered = 0
    this.start(count)
  }
}
