import type { SessionTable } from '../execution/sessions.ts'
import { isFull, isGenerationDue, isOverfull } from '../execution/sweep.ts'
import type { Answer } from './proposals.ts'

/** The time between sweeps that only end a generation: each makes all commands wait for each other once. */
const GENERATION_MS = 5000

/**
 * Proposes sweeps of the sessions in time (sessions.ts). Each replica looks at its own table and proposes a sweep of
 * the current generation; if several do, only the first to execute has an effect.
 */
export class Sweeper {
  readonly #sessions: SessionTable
  readonly #submitSweep: (generation: number, respond: (answer: Answer) => void) => void
  #running = false
  /** The minimum that was kept since the last sweep. */
  #least = { bytes: 0, numbers: 0, sessions: 0 }
  #generation = 0
  #sweptMs = Number.NEGATIVE_INFINITY

  constructor(sessions: SessionTable, submitSweep: (generation: number, respond: (answer: Answer) => void) => void) {
    this.#sessions = sessions
    this.#submitSweep = submitSweep
  }

  /** Whether updates of sessions must wait for room. */
  get full(): boolean {
    return isOverfull(this.#sessions)
  }

  /** Proposes a sweep if one is due. */
  poll(nowMs: number): void {
    const sessions = this.#sessions
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
    this.#submitSweep(generation, () => {
      this.#running = false
    })
  }
}
