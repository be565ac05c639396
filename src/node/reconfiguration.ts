import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Membership } from '../protocol/membership.ts'
import { type Asked, changeOf } from './changes.ts'
import type { Clock } from './clock.ts'
import { type Held, HeldLimit } from './held-limit.ts'
import type { Logger } from './logger.ts'
import type { ChangeRequest } from './requests.ts'

export interface ReconfigurationOptions {
  readonly members: () => Membership
  readonly asked: Asked
  /** Null if this replica may be asked for a change; otherwise why not. */
  readonly notReady: () => string | null
  /** Resolves when the change has executed here. */
  readonly propose: (next: Membership) => Promise<void>
  /** Whether this replica was removed, and is not needed any more. */
  readonly mayLeave: () => boolean
  /** See {@link HeldLimit}. */
  readonly heldLimitBytes: number
  readonly held: () => Held
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The changes of the members that begin at this replica, one at a time (protocol.md §11): those that an operator asks
 * for, and those that it makes by itself because a member stays away, or comes back.
 */
export class Reconfiguration {
  readonly #options: ReconfigurationOptions
  readonly #heldLimit: HeldLimit
  #isRunning = false
  /** Called when the next epoch has begun here, or cannot. */
  #awaited: (() => void)[] = []

  constructor(options: ReconfigurationOptions) {
    const { heldLimitBytes, held, notReady, clock, logger } = options
    this.#options = options
    this.#heldLimit = new HeldLimit({
      ...{ limitBytes: heldLimitBytes, held, clock, logger },
      isReady: () => notReady() === null && !this.#isRunning,
      remove: (id) => this.change({ kind: 'remove', id, mayReturn: true }, false),
    })
  }

  /** See `Requests.change`. Resolves when the next epoch has begun here. */
  async change(request: ChangeRequest, force: boolean): Promise<void> {
    const notReady = this.#options.notReady()
    if (notReady !== null) throw new EpaxosError(ErrorCode.notReady, notReady)
    if (this.#isRunning) throw new EpaxosError(ErrorCode.badChange, 'another change of the members is under way')
    this.#isRunning = true
    try {
      await this.#change(request, force)
    } finally {
      this.#isRunning = false
    }
  }

  async #change(request: ChangeRequest, force: boolean): Promise<void> {
    const { members, asked, propose, mayLeave } = this.#options
    const next = await changeOf(members(), request, force, asked)
    const begun = new Promise<void>((resolve) => this.#awaited.push(resolve))
    await propose(next)
    await begun
    if (members().epoch !== next.epoch && !mayLeave()) {
      throw new EpaxosError(ErrorCode.closed, 'the replica was closed before the next epoch began here')
    }
  }

  /** A replica that was removed because it stayed away asks to be taken in. It asks again until it is. */
  async takeBack(id: number, address: string): Promise<void> {
    const { notReady, logger } = this.#options
    if (notReady() !== null || this.#isRunning) return
    logger.warn({ id, address }, 'a replica that was removed because it stayed away comes back as a new member')
    try {
      await this.change({ kind: 'add', address, returning: id }, false)
    } catch (error) {
      logger.warn({ id, address, error: (error as Error).message }, 'it does not become a member now')
    }
  }

  /** Those who wait for the next epoch may look. */
  settled(): void {
    for (const resolve of this.#awaited.splice(0)) resolve()
  }

  start(): void {
    this.#heldLimit.start()
  }

  stop(): void {
    this.#heldLimit.stop()
  }
}
