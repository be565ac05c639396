import type { SessionTable } from '../execution/sessions.ts'
import { isFull, isGenerationDue, isOverfull } from '../execution/sweep.ts'
import type { Part } from './part.ts'
import type { Respond } from './requests.ts'

export interface SweeperOptions {
  readonly sessions: SessionTable
  readonly submitSweep: (generation: number, respond: Respond) => void
  /** Whether sweeps may be proposed at present. */
  readonly ready: () => boolean
  /** Says whether updates of sessions must wait for room. */
  readonly full: (isFull: boolean) => void
}

/** The time between sweeps that only end a generation: each makes all commands wait for each other once. */
const GENERATION_MS = 5000

/**
 * Proposes sweeps of the sessions in time (sessions.ts). Each replica looks at its own table and proposes a sweep of
 * the current generation; if several do, only the first to execute has an effect.
 */
export class Sweeper implements Part {
  readonly #options: SweeperOptions
  #running = false
  /** The minimum that was kept since the last sweep. */
  #least = { bytes: 0, numbers: 0, sessions: 0 }
  #generation = 0
  #sweptMs = Number.NEGATIVE_INFINITY

  constructor(options: SweeperOptions) {
    this.#options = options
  }

  /** Proposes a sweep if one is due. */
  turned(nowMs: number): void {
    const { sessions, submitSweep, ready, full } = this.#options
    full(isOverfull(sessions))
    if (!ready()) return
    const { generation, kept } = sessions
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#least = kept
      this.#sweptMs = nowMs
    }
    this.#least = {
      bytes: Math.min(this.#least.bytes, kept.bytes),
      numbers: Math.min(this.#least.numbers, kept.numbers),
      sessions: Math.min(this.#least.sessions, kept.sessions),
    }
    if (this.#running) return
    const isDue = nowMs - this.#sweptMs >= GENERATION_MS && isGenerationDue(sessions, this.#least)
    if (!isDue && !isFull(sessions)) return
    this.#running = true
    submitSweep(generation, () => {
      this.#running = false
    })
  }
}
