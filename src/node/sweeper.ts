import { LIFETIME_TICKS } from '../execution/age.ts'
import { encodeSweep, encodeTick } from '../execution/groups.ts'
import type { SessionTable } from '../execution/sessions.ts'
import { isCrowded, isFull, isGenerationDue, isOverfull } from '../execution/sweep.ts'
import type { Part } from './part.ts'
import type { Respond } from './requests.ts'

export interface SweeperOptions {
  readonly sessions: SessionTable
  /** This member in the present epoch. */
  readonly row: number
  readonly epoch: number
  /** How long a session is remembered after its last use, at least. */
  readonly lifetimeMs: number
  /** Proposes the command alone, and so that it interferes with everything. */
  readonly submit: (command: Uint8Array, respond: Respond) => void
  /** Whether sweeps may be proposed at present. */
  readonly ready: () => boolean
  /** Says whether updates of sessions must wait for room, and whether only those of new sessions must. */
  readonly full: (isFull: boolean, isCrowded: boolean) => void
}

/** The time between sweeps that only end a generation: each makes all commands wait for each other once. */
const GENERATION_MS = 5000

/**
 * Proposes sweeps of the sessions in time (sessions.ts). Each replica looks at its own table and proposes a sweep of
 * the current generation; if several do, only the first to execute has an effect. Each member also claims that the
 * present tick of the sessions' clock is over, when its own clock says so (age.ts).
 */
export class Sweeper implements Part {
  readonly #options: SweeperOptions
  #sweeping = false
  #claiming = false
  /** The minimum that was kept since the last sweep. */
  #least = { bytes: 0, numbers: 0, sessions: 0 }
  #generation = 0
  #sweptMs = Number.NEGATIVE_INFINITY
  /** The last sweep did not make room. */
  #inVain = false
  #ticks = -1
  #tickMs = 0

  constructor(options: SweeperOptions) {
    this.#options = options
  }

  turned(nowMs: number): void {
    const { sessions, ready, full } = this.#options
    full(isOverfull(sessions), isCrowded(sessions))
    if (!ready()) return
    this.#sweepIfDue(nowMs)
    this.#claimIfOver(nowMs)
  }

  #sweepIfDue(nowMs: number): void {
    const { sessions, submit } = this.#options
    const { generation, kept } = sessions
    if (generation !== this.#generation) {
      this.#inVain = this.#sweptMs > 0 && isFull(sessions)
      this.#generation = generation
      this.#least = kept
      this.#sweptMs = nowMs
    }
    this.#least = {
      bytes: Math.min(this.#least.bytes, kept.bytes),
      numbers: Math.min(this.#least.numbers, kept.numbers),
      sessions: Math.min(this.#least.sessions, kept.sessions),
    }
    if (this.#sweeping) return
    const isLate = nowMs - this.#sweptMs >= GENERATION_MS
    const isDue = isLate
      ? isGenerationDue(sessions, this.#least) || isFull(sessions)
      : !this.#inVain && isFull(sessions)
    if (!isDue) return
    this.#sweeping = true
    submit(encodeSweep(generation), () => {
      this.#sweeping = false
    })
  }

  /** The tick is measured from the execution of its beginning, or from the start of this process. */
  #claimIfOver(nowMs: number): void {
    const { sessions, row, epoch, lifetimeMs, submit } = this.#options
    const { ticks } = sessions
    if (ticks !== this.#ticks) {
      this.#ticks = ticks
      this.#tickMs = nowMs
    }
    if (this.#claiming || nowMs - this.#tickMs < lifetimeMs / LIFETIME_TICKS || sessions.hasClaimed(row, epoch)) return
    // Without sessions nothing has an age.
    if (sessions.size === 0) return
    this.#claiming = true
    submit(encodeTick(ticks, epoch), () => {
      this.#claiming = false
    })
  }
}
