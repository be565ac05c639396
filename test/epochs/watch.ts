import type { Engine, Vector } from '../../src/engine/engine.ts'
import type { ChangeRequest } from '../../src/node/requests.ts'
import { isSameMembership, type Membership, rowOf } from '../../src/protocol/membership.ts'
import { type AnyMessage, MessageType } from '../../src/protocol/messages.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { Counters } from '../simulator/counters.ts'
import { WatchedEngine } from '../simulator/watched-engine.ts'

/** With these a replica takes part in decisions: none of them may rest on forgotten votes. */
const VOTES: ReadonlySet<number> = new Set([
  MessageType.preAccept,
  MessageType.preAcceptOk,
  MessageType.accept,
  MessageType.acceptOk,
  MessageType.recover,
  MessageType.recoverOk,
  MessageType.validate,
  MessageType.validateOk,
  MessageType.probeOk,
])

/** What is known of one data directory. */
export interface Directory {
  /** In hexadecimal digits. */
  readonly incarnation: string
  /** Its id if it is that of a founder; otherwise null. */
  readonly founder: number | null
  /** The epoch of its newest whole checkpoint. */
  durableEpoch: number
  /** The latest epoch in which a process on it was. */
  epoch: number
}

/** What must hold in every run whose members change, checked while it runs (protocol.md §11). */
export class Watch {
  readonly counters = new Counters()
  readonly #fail: (what: string) => void
  readonly #directories = new Map<string, Directory>()
  readonly #memberships = new Map<number, Membership>()
  /** By epoch: the state with which it ended. */
  readonly #closings = new Map<number, string>()
  /** By epoch, row and slot: the dependencies, or that it is a no-op. */
  readonly #outcomes = new Map<string, string>()
  /** Nonces of the starts of replicas that nobody may admit. */
  readonly #strangers = new Set<string>()
  /** By the name of a replica and the directory of another: the highest start that it has admitted. */
  readonly #met = new Map<string, number>()

  /** @param fail called with what is wrong */
  constructor(fail: (what: string) => void) {
    this.#fail = fail
  }

  add(directory: Directory): void {
    this.#directories.set(directory.incarnation, directory)
  }

  /** The members of an epoch, as far as it has begun anywhere. */
  membersOf(epoch: number): Membership | null {
    return this.#memberships.get(epoch) ?? null
  }

  /** The latest epoch that has begun anywhere. */
  get latest(): number {
    return Math.max(0, ...this.#memberships.keys())
  }

  /** A replica knows these members, from a process or a disk. */
  members(who: string, members: Membership): void {
    const known = this.#memberships.get(members.epoch)
    if (known === undefined) this.#memberships.set(members.epoch, members)
    else if (known !== members && !isSameMembership(known, members))
      this.#fail(`members: ${who} has others in epoch ${members.epoch}: ${idsOf(members)}, not ${idsOf(known)}`)
  }

  /** A process on the directory is in this epoch. */
  isIn(who: string, directory: Directory, epoch: number): void {
    if (epoch < directory.epoch) this.#fail(`epochs: ${who} goes back from ${directory.epoch} to ${epoch}`)
    if (directory.epoch >= 0 && epoch > directory.epoch + 1) this.counters.add('epochs jumped over')
    directory.epoch = Math.max(directory.epoch, epoch)
  }

  /** The closing checkpoint that this replica made of its own state is whole. */
  closed(who: string, epoch: number, state: string): void {
    const known = this.#closings.get(epoch)
    if (known === undefined) this.#closings.set(epoch, state)
    else if (known !== state) this.#fail(`closing: ${who} ends epoch ${epoch} with ${state}, another one with ${known}`)
  }

  /** The replica has reported the change as done: it closed this epoch, and no other one did. */
  changed(who: string, epoch: number, change: ChangeRequest): void {
    const { members = [] } = this.#memberships.get(epoch + 1) ?? {}
    const hasCome = change.kind === 'remove' || members.some(({ address }) => address === change.address)
    const hasGone = change.kind === 'add' || !members.some(({ id }) => id === change.id)
    if (!hasCome || !hasGone)
      this.#fail(`changes: ${who} did ${JSON.stringify(change)} in epoch ${epoch}, and it is not`)
  }

  /** A frame leaves. */
  sent(who: string, { durableEpoch }: Directory, id: number, epoch: number, messages: readonly AnyMessage[]): void {
    const vote = messages.find(({ type }) => VOTES.has(type))
    if (vote === undefined) return
    const how = `${who} sends type ${vote.type} in epoch ${epoch}`
    if (epoch < durableEpoch) this.#fail(`closed epoch: ${how}, and its directory is in ${durableEpoch}`)
    if (epoch > durableEpoch) this.#fail(`not durable: ${how}, and its directory is in ${durableEpoch}`)
    const members = this.#memberships.get(epoch)
    if (members !== undefined && rowOf(members, id) < 0) this.#fail(`members: ${how}, and is none`)
  }

  decided(who: string, epoch: number, row: number, slot: number, deps: Vector | null): void {
    const key = `${epoch}:${row}.${slot}`
    const outcome = deps === null ? 'a no-op' : `[${deps}]`
    const known = this.#outcomes.get(key)
    if (known === undefined) this.#outcomes.set(key, outcome)
    else if (known !== outcome) this.#fail(`agreement: ${key} is ${outcome} at ${who}, and was ${known}`)
  }

  /** The engine of one epoch, with its outcomes watched. */
  engine(who: string, epoch: number, engine: Engine): Engine {
    return new WatchedEngine(engine, {
      ...{ learned: () => {}, preAccepted: () => {}, executed: () => {} },
      committed: (row, slot, deps) => this.decided(who, epoch, row, slot, deps),
    })
  }

  /** The replica ends because it was removed. */
  left(who: string, { incarnation, founder }: Directory): void {
    const isIts = (members: Membership) =>
      members.epoch === 0
        ? founder !== null
        : members.members.some((member) => hex(member.incarnation as Uint8Array) === incarnation)
    const memberships = [...this.#memberships.values()]
    const last = Math.max(0, ...memberships.filter(isIts).map(({ epoch }) => epoch))
    const isHeld = ({ epoch, members, quorums }: Membership) =>
      members.filter((member) => this.#holds(member.incarnation as Uint8Array, epoch)).length >= quorums.slow
    if (memberships.some((members) => members.epoch > last && isHeld(members))) return
    this.#fail(`leaving: ${who} leaves after epoch ${last}, and no quorum of a later one has a checkpoint of it`)
  }

  #holds(incarnation: Uint8Array, epoch: number): boolean {
    return (this.#directories.get(hex(incarnation))?.durableEpoch ?? -1) >= epoch
  }

  /** Nobody may admit the start with this nonce. */
  stranger(nonce: Uint8Array): void {
    this.#strangers.add(hex(nonce))
  }

  /**
   * A copy of a directory is known by whoever has met a later start of it, and by nobody else (protocol.md §9): that is
   * a relaxation, which hides what a copy does among replicas that have not. Who has another directory is known to all.
   */
  admits(who: string, epoch: number, { id, incarnation, start, replicas }: Claim): void {
    const members = this.#memberships.get(epoch)
    const isMember = members !== undefined && rowOf(members, id) >= 0
    const directory = `${who} ${hex(incarnation)}`
    const met = this.#met.get(directory) ?? 0
    const isOwn = this.#directories.has(hex(incarnation))
    if (!this.#strangers.has(hex(start.nonce))) {
      // Nothing that somebody from another epoch says counts, so nothing of it is kept.
      if (isMember) this.#met.set(directory, Math.max(met, start.number))
    } else if ((isMember && met >= start.number) || (!isOwn && !this.#mayJoin(id, replicas))) {
      this.#fail(`strangers: ${who} admits one that says it is ${id}`)
    }
  }

  /** Whether nobody knows better: a replica that belongs to no cluster may have this id. */
  #mayJoin(id: number, replicas: number): boolean {
    const isNamed = ({ epoch, members }: Membership) => epoch > 0 && members.some((member) => member.id === id)
    return replicas === 0 && ![...this.#memberships.values()].some(isNamed)
  }

  /** The highest start on the directory that the replica has admitted. */
  met(who: string, { incarnation }: Directory): number {
    return this.#met.get(`${who} ${incarnation}`) ?? 0
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function idsOf({ members }: Membership): string {
  return members.map(({ id }) => id).join()
}
