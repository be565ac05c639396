import { setTimeout as pause } from 'node:timers/promises'
import type { Connection, GroupAnswer } from '../../client/connection.ts'
import type { CommandMaker } from './commands.ts'
import type { Latencies } from './latencies.ts'

/** A group stays below this, so that many fit what a replica takes of one client. */
const MAX_GROUP_BYTES = 1 << 20

/** Before the next try, when a replica refuses. */
const REFUSED_PAUSE_MS = 20

/** A command's result in the answer: status, length, and a put's one byte. */
const RESULT_BYTES = 6
const RESULTS_HEADER_BYTES = 8

/** What a lane counts; read and cleared by the one who measures. */
export interface LaneCounts {
  done: number
  refused: number
  unknown: number
}

/** A closed loop over one link: so many commands are under way at any time, what is answered in a turn is replaced as one group. */
export class Lane {
  readonly counts: LaneCounts = { done: 0, refused: 0, unknown: 0 }
  readonly #connection: Connection
  readonly #maker: CommandMaker
  readonly #latencies: Latencies
  readonly #session: string | null
  /** The first request number of each unanswered group, in order. */
  readonly #open = new Set<number>()
  #next = 1
  #answered = 0
  #stopped = false

  /** @param session null for commands that are not protected against being done twice */
  constructor(connection: Connection, maker: CommandMaker, latencies: Latencies, session: string | null) {
    this.#connection = connection
    this.#maker = maker
    this.#latencies = latencies
    this.#session = session
  }

  start(outstanding: number): void {
    const most = Math.max(1, Math.floor(MAX_GROUP_BYTES / this.#maker.bytesEach))
    for (let left = outstanding; left > 0; left -= most) this.#send(Math.min(left, most))
  }

  stop(): void {
    this.#stopped = true
    this.#connection.close()
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
    this.#connection.send(this.#maker.group(count, options), (answer) => this.#onAnswer(answer, first, count, sentAt))
  }

  #onAnswer(answer: GroupAnswer, first: number, count: number, sentAt: number): void {
    this.#open.delete(first)
    if (answer.outcome === 'done' && answer.results.length === RESULTS_HEADER_BYTES + count * RESULT_BYTES) {
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
