import type { Core } from '../protocol/core.ts'
import type { Part } from './part.ts'
import type { Respond } from './requests.ts'

export interface ReadinessOptions {
  readonly core: Core
  /** Proposes an empty batch that interferes with everything. */
  readonly submitBarrier: (respond: Respond) => void
  /** Whether this replica takes part in nothing at present. */
  readonly suspended: () => boolean
}

/**
 * Whether a replica may answer clients. It must be connected to a quorum, its own instances of before the restart must
 * be decided, and a barrier must have gone through the log since then, so that everything answered before has executed
 * here.
 */
export class Readiness implements Part {
  readonly #options: ReadinessOptions
  /** The last own slot that was found in the journal. */
  #slot = 0
  #barrier: 'none' | 'running' | 'done' = 'none'

  constructor(options: ReadinessOptions) {
    this.#options = options
  }

  /** The journal is replayed. */
  begin(): void {
    this.#slot = this.#options.core.slot
  }

  /** It has been behind: a barrier must go through the log once more. */
  restart(): void {
    this.#barrier = 'none'
  }

  /** Why it is not ready; null if it is ready. */
  get reason(): string | null {
    const { core } = this.#options
    if (core.isDiskHung) return 'the disk hangs'
    if (!core.hasQuorum) return 'no quorum of replicas is connected'
    if (!this.#decided) return 'commands of before the restart are being decided'
    if (this.#barrier !== 'done') return 'catching up'
    return null
  }

  /** Starts whatever is missing. */
  poll(): void {
    const { core, submitBarrier, suspended } = this.#options
    if (suspended() || this.#barrier !== 'none' || core.isDiskHung || !core.hasQuorum || !this.#decided) return
    this.#barrier = 'running'
    submitBarrier(({ outcome }) => {
      this.#barrier = outcome === 'done' ? 'done' : 'none'
    })
  }

  get #decided(): boolean {
    const { core } = this.#options
    return (core.committed[core.id] as number) >= this.#slot
  }
}
