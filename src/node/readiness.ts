import type { Core } from '../protocol/core.ts'
import type { Answer } from './proposals.ts'

/**
 * Whether a replica may answer clients. It must be connected to a quorum, its own instances of before the restart must
 * be decided, and a barrier must have gone through the log since then, so that everything answered before has executed
 * here.
 */
export class Readiness {
  readonly #core: Core
  readonly #submitBarrier: (respond: (answer: Answer) => void) => void
  /** The last own slot that was found in the journal. */
  readonly #slot: number
  #barrier: 'none' | 'running' | 'done' = 'none'

  constructor(core: Core, submitBarrier: (respond: (answer: Answer) => void) => void) {
    this.#core = core
    this.#submitBarrier = submitBarrier
    this.#slot = core.slot
  }

  /** Why it is not ready; null if it is ready. */
  get reason(): string | null {
    if (this.#core.isDiskHung) return 'the disk hangs'
    if (!this.#core.hasQuorum) return 'no quorum of replicas is connected'
    if (!this.#decided) return 'commands of before the restart are being decided'
    if (this.#barrier !== 'done') return 'catching up'
    return null
  }

  /** Starts whatever is missing. */
  poll(): void {
    if (this.#barrier !== 'none' || this.#core.isDiskHung || !this.#core.hasQuorum || !this.#decided) return
    this.#barrier = 'running'
    this.#submitBarrier(({ outcome }) => {
      this.#barrier = outcome === 'done' ? 'done' : 'none'
    })
  }

  get #decided(): boolean {
    return (this.#core.committed[this.#core.id] as number) >= this.#slot
  }
}
