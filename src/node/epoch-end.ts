import { CommandError, EpaxosError, ErrorCode } from '../errors.ts'
import { encodeReconfigure } from '../execution/groups.ts'
import { onlyStatus, Status } from '../execution/results.ts'
import type { Membership } from '../protocol/membership.ts'
import { encodeMembership, membershipIn } from '../protocol/membership-bytes.ts'
import type { MemberRecord } from '../protocol/records.ts'
import type { Composition } from './composition.ts'
import type { MemberOptions } from './member-options.ts'
import type { VoidGroup } from './proposals.ts'
import type { Respond } from './requests.ts'

/** What clients wait for when an epoch ends. */
export interface Carried {
  readonly proposals: readonly VoidGroup[]
  readonly reads: readonly VoidGroup[]
}

export interface EpochEndOptions {
  readonly member: MemberOptions
  readonly composition: Composition
  /** Whether the member takes part, and has not failed. */
  readonly isRunning: () => boolean
  readonly isFrozen: () => boolean
  readonly freeze: (frozen: boolean) => void
  readonly fail: (error: Error) => void
}

/**
 * The end of an epoch at one member (protocol.md §11): either a change of the members executes here, and the closing
 * checkpoint is written; or the peers are in a later epoch, and this replica follows by a checkpoint of theirs.
 */
export class EpochEnd {
  readonly #options: EpochEndOptions
  #ending = false

  constructor(options: EpochEndOptions) {
    this.#options = options
  }

  /** Proposes a change of the members; see `Seat.change`. */
  propose(next: Membership): Promise<void> {
    const { member, composition } = this.#options
    const command = encodeReconfigure(encodeMembership(next))
    return new Promise((resolve, reject) => {
      composition.proposals.submitAlone(command, member.clock.now(), (answer) => {
        if (answer.outcome === 'unknown') reject(new CommandError(answer.code, 'unknown', answer.message))
        else if (answer.outcome === 'done' && onlyStatus(answer.results) === Status.applied) resolve()
        else reject(new EpaxosError(ErrorCode.badChange, 'another change of the members came first'))
      })
    })
  }

  /** A change of the members executes: returns whether it closes the epoch. */
  executed(bytes: Uint8Array): boolean {
    const { epochs, logger } = this.#options.member
    const next = membershipIn(bytes)
    if (next === null || !epochs.executed(next)) return false
    const members = next.members.map(({ id }) => id)
    logger.info({ epoch: next.epoch, members }, 'the members change: the epoch is closed')
    return true
  }

  /** At the end of each turn: begins the closing checkpoint when the state is that with which the next epoch begins. */
  beginIfDue(): void {
    const { member, composition } = this.#options
    const { next } = member.epochs
    if (next !== null && !this.#ending && composition.executor.betweenComponents) this.#begin(next)
  }

  #begin(members: Membership): void {
    this.#ending = true
    const { member, composition, isRunning, fail } = this.#options
    const { closing, catchUp, incarnations } = composition
    const next = { clusterId: incarnations.clusterId as string, members, previous: member.identity.members }
    if (closing === null) {
      const message = 'the members have changed, which needs durability fsync'
      return fail(new EpaxosError(ErrorCode.configuration, message))
    }
    catchUp?.stop()
    closing.run(next).then(
      () => {
        if (isRunning()) member.ended(next)
      },
      (error) => {
        if (isRunning()) fail(error as Error)
      },
    )
  }

  /**
   * Whether a later epoch may be entered by a checkpoint of a peer: this replica does not get there by itself, and does
   * not fetch a checkpoint of its own epoch, which it does not begin any more from now on.
   */
  makeWay(): boolean {
    const { member, composition, isRunning } = this.#options
    if (!isRunning() || !member.epochs.isOpen) return false
    const { catchUp } = composition
    catchUp?.overtake()
    return catchUp?.reason == null
  }

  /**
   * Takes part in nothing any more, for good, because its peers are in a later epoch. Resolves when everything is
   * durable, with what it knows of starts and peers. Rejects with `closed` if the epoch ends here after all.
   */
  async giveWay(members: Membership): Promise<MemberRecord[]> {
    const { member, composition, isRunning, isFrozen, freeze } = this.#options
    const { core, incarnations, checkpointer, catchUp } = composition
    const endsHere = () => new EpaxosError(ErrorCode.closed, 'the epoch ends here')
    if (!isRunning() || !member.epochs.isOpen) throw endsHere()
    if (!isFrozen()) member.logger.warn({ epoch: members.epoch }, 'the members have changed: this replica follows')
    freeze(true)
    // Its last turn may have executed the change.
    if (!member.epochs.isOpen) {
      freeze(false)
      throw endsHere()
    }
    catchUp?.stop()
    await checkpointer?.end()
    await new Promise<void>((resolve) => core.afterDurable(member.journal?.last ?? 0, resolve))
    return incarnations.image(members)
  }

  /** What clients wait for and has certainly not executed. It is not answered here any more. */
  handOver(): Carried {
    const { proposals, reads, executor } = this.#options.composition
    return { proposals: proposals.handOver(executor.closed), reads: reads.handOver() }
  }

  /** Takes over what clients of the epoch before wait for. */
  takeOver(carried: Carried): void {
    const { member, composition } = this.#options
    const { proposals, reads } = composition
    const nowMs = member.clock.now()
    for (const { group, deadlineMs, waiters } of carried.proposals) {
      for (const respond of waiters) retake(respond, () => proposals.submit(group, nowMs, respond, deadlineMs))
    }
    for (const { group, deadlineMs, waiters } of carried.reads) {
      const sinceMs = deadlineMs - member.requestTimeoutMs
      for (const respond of waiters) retake(respond, () => void reads.submit(group, sinceMs, null, respond))
    }
  }
}

function retake(respond: Respond, submit: () => void): void {
  try {
    submit()
  } catch (error) {
    if (!(error instanceof EpaxosError)) throw error
    respond({ outcome: 'refused', code: error.code, message: error.message })
  }
}
