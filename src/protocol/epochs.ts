import { assert } from './assert.ts'
import { mayFollow } from './change.ts'
import { isSameMembership, type Membership, rowOf } from './membership.ts'

/** How the epoch of a message compares with that of the replica that receives it. */
export type Meeting =
  /** Both are in the same epoch: the message counts. */
  | 'present'
  /** The sender has not left its epoch yet: it gets `Closed`, which counts in no quorum. */
  | 'past'
  /** This replica is behind: it needs a checkpoint of the later epoch. */
  | 'future'

/**
 * The rules of epochs at one member, as a state machine without time, disk or network (protocol.md §11):
 *
 * - The first Reconfigure that executes in an epoch, and may follow it, closes the epoch: after its component nothing
 *   of the epoch executes here any more, and whatever has not executed is void. A later one, or one that may not
 *   follow, is void itself.
 * - The replica goes on voting in the closed epoch until the closing checkpoint is durable here: others may need its
 *   votes to learn of the Reconfigure. From then on it never votes there again, because its votes of that epoch are
 *   forgotten.
 * - A member of the next epoch votes there as soon as the closing checkpoint, or a later one, is durable here: made
 *   here or taken from a peer.
 * - A removed member serves the checkpoint until a quorum of the next epoch holds one durably; only then may it be
 *   switched off. Otherwise all that was answered could be lost with it.
 */
export class Epochs {
  readonly #self: number
  #members: Membership
  #next: Membership | null = null
  /** Members of the present epoch that hold a checkpoint of it durably. */
  #holders = new Set<number>()
  /** Somebody is in a later epoch. */
  #isPast = false

  /** `members`: of the epoch of the latest durable checkpoint; of epoch 0 without one. `self`: this replica's id. */
  constructor(members: Membership, self: number) {
    this.#self = self
    this.#members = members
    this.#holders.add(self)
  }

  /** The members of the present epoch: the one in which this replica votes, if it is among them. */
  get members(): Membership {
    return this.#members
  }

  /** The row of this replica in the present epoch; -1 if it is no member any more. */
  get row(): number {
    return rowOf(this.#members, this.#self)
  }

  /** The members of the next epoch, from the Reconfigure on until the closing checkpoint is durable; otherwise null. */
  get next(): Membership | null {
    return this.#next
  }

  /** Whether instances of the present epoch still execute here. */
  get isOpen(): boolean {
    return this.#next === null
  }

  /** A Reconfigure executes: returns whether it closes the epoch. Otherwise it is void, and its operator is told so. */
  executed(next: Membership): boolean {
    if (this.#next !== null || !mayFollow(this.#members, next)) return false
    this.#next = next
    return true
  }

  /**
   * A checkpoint is durable here: the closing checkpoint of the present epoch, made here or by a peer, or a checkpoint
   * of any later epoch, which a peer made. Returns whether a new epoch begins here.
   */
  holds(members: Membership): boolean {
    if (members.epoch <= this.#members.epoch) return false
    const isOther = this.#next?.epoch === members.epoch && !isSameMembership(this.#next, members)
    assert(!isOther, `epoch ${members.epoch} has the same members everywhere`)
    this.#members = members
    this.#next = null
    this.#holders = new Set([this.#self])
    this.#isPast = false
    return true
  }

  meets(epoch: number): Meeting {
    if (epoch === this.#members.epoch) return 'present'
    return epoch < this.#members.epoch ? 'past' : 'future'
  }

  /** A replica has shown that it is in this epoch: it holds a checkpoint of it, or of a later one, durably. */
  heard(id: number, epoch: number): void {
    // The end of the present epoch was decided by a quorum of its members, who hold a checkpoint of it.
    if (epoch > this.#members.epoch) this.#isPast = true
    if (epoch >= this.#members.epoch && rowOf(this.#members, id) >= 0) this.#holders.add(id)
  }

  /** Members of the present epoch that do not hold a checkpoint of it yet, as far as this replica knows. */
  get without(): number[] {
    return this.#members.members.map(({ id }) => id).filter((id) => !this.#holders.has(id))
  }

  /** Whether this replica was removed, and is not needed any more. */
  get mayLeave(): boolean {
    const { members, quorums } = this.#members
    return this.row < 0 && (this.#isPast || members.length - this.without.length >= quorums.slow)
  }
}

/** What is known about an own command that was in flight when its epoch was closed. */
export interface InFlight {
  /** Whether it had executed, and not as a no-op, as of the closing checkpoint. */
  readonly done: boolean
  /** Whether a session keeps its result, or would recognize it if it came again. */
  readonly inSession: boolean
}

/**
 * What a replica does with an own command that was in flight: it takes the answer that the session keeps; or nobody
 * knows the result, and the outcome is unknown; or the command is void, and is proposed again in the next epoch with
 * the same session and number, or refused by a replica that is no member there. Proposing a command of the second kind
 * again would do it twice.
 */
export type Fate = 'kept' | 'unknown' | 'again' | 'moved'

export function fateOf({ done, inSession }: InFlight, isMember: boolean): Fate {
  if (done) return inSession ? 'kept' : 'unknown'
  return isMember ? 'again' : 'moved'
}
