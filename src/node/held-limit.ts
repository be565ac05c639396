import type { Engine } from '../engine/engine.ts'
import type { Core } from '../protocol/core.ts'
import { outcomeBytes } from '../protocol/kept.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** What a replica keeps because some member has not executed it, and for whom (protocol.md §10). */
export interface Held {
  /** Of memory, about. */
  readonly bytes: number
  /** The id of the member for which the most is kept: of those that are down, if any are. Null if there is none. */
  readonly by: number | null
}

export interface HeldLimitOptions {
  /** 0 for no limit. */
  readonly limitBytes: number
  readonly held: () => Held
  /** Whether this replica may change the members now. */
  readonly isReady: () => boolean
  readonly remove: (id: number) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** The default limit: 1 GiB. */
export const HELD_LIMIT_BYTES = 1 << 30

/** About the memory of what is committed and not forgotten. */
export function heldBytes(core: Core, engine: Engine): number {
  return engine.bytes + core.heldInstances * outcomeBytes(engine.replicas)
}

const POLL_MS = 1000

/** The same member must have been beyond the limit at so many polls: one that has just come back is not removed. */
const POLLS = 5

/** After a removal that was refused. */
const RETRY_MS = 60_000

/**
 * A bound on what a member that stays away costs the others: beyond it, it is removed by a change of the members. Every
 * member does this by itself; the first change counts.
 */
export class HeldLimit {
  readonly #options: HeldLimitOptions
  #stopTimer: () => void = () => {}
  #by: number | null = null
  #polls = 0
  #removing = false
  #retryMs = 0

  constructor(options: HeldLimitOptions) {
    this.#options = options
  }

  start(): void {
    const { limitBytes, clock } = this.#options
    if (limitBytes > 0) this.#stopTimer = clock.every(POLL_MS, () => this.#poll())
  }

  stop(): void {
    this.#stopTimer()
  }

  #poll(): void {
    const { limitBytes, held, isReady, clock } = this.#options
    if (this.#removing || clock.now() < this.#retryMs || !isReady()) return
    const { bytes, by } = held()
    const culprit = bytes > limitBytes ? by : null
    this.#polls = culprit !== null && culprit === this.#by ? this.#polls + 1 : 0
    this.#by = culprit
    if (culprit !== null && this.#polls >= POLLS) void this.#remove(culprit, bytes)
  }

  async #remove(id: number, heldBytes: number): Promise<void> {
    const { limitBytes, remove, clock, logger } = this.#options
    this.#removing = true
    logger.warn({ id, heldBytes, limitBytes }, 'too much is kept for a member that stays away: it is removed')
    try {
      await remove(id)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      logger.error({ id, code, error: message }, 'the member that stays away is not removed')
      this.#retryMs = clock.now() + RETRY_MS
    }
    this.#removing = false
    this.#polls = 0
  }
}
