import { MAX_REPLICAS, type Quorums, quorums } from './quorums.ts'

/** The incarnation of a member: random, so that nobody guesses it and no two are equal. */
export const INCARNATION_BYTES = 16

/** The highest epoch, and the highest id of a member: both are unsigned 32-bit numbers in messages. */
const MAX_UINT32 = 2 ** 32 - 1

/** The highest id of a member. There is always a next one. */
export const MAX_MEMBER_ID = MAX_UINT32 - 1

/** One member of an epoch. */
export interface Member {
  /** Its own for ever: no other replica gets this id, in any epoch. */
  readonly id: number
  /** Where it listens for the other members, `HOST:PORT`. */
  readonly address: string
  /** Names its data directory. Null in epoch 0: its members meet at the founding (protocol.md §9). */
  readonly incarnation: Uint8Array | null
}

/**
 * Who takes part in an epoch, and everything that follows from their number. Replicas with equal memberships count the
 * same votes, and read and write the same messages. Epochs share no instances and no quorums (protocol.md §11).
 */
export interface Membership {
  readonly epoch: number
  /**
   * By row. The **row** of a member is its position here: instances, vectors, votes and ballots name rows. In epoch 0
   * ids and rows are equal; in later epochs they differ.
   */
  readonly members: readonly Member[]
  /** The id of the next replica that joins: above every id that was ever used. */
  readonly nextId: number
  /**
   * Replicas that were removed because they stayed away, the latest last: each may come back by itself, as a new
   * member.
   */
  readonly mayReturn: readonly number[]
  readonly quorums: Quorums
}

export interface MembershipOptions {
  /** The smallest id above those of the members where absent. */
  readonly nextId?: number
  /** None by default. */
  readonly mayReturn?: readonly number[]
  /** See {@link quorums}. */
  readonly fastCrashes?: number | undefined
}

/**
 * Makes a membership. Throws a RangeError unless there are 1 to `MAX_REPLICAS` members, ids, addresses and incarnations
 * occur once, ids are below `nextId`, incarnations are absent in epoch 0 and known in every other one, and at most
 * `MAX_REPLICAS` others may return.
 */
export function membership(
  epoch: number,
  members: readonly Member[],
  { nextId = Math.max(...members.map(({ id }) => id)) + 1, mayReturn = [], fastCrashes }: MembershipOptions = {},
): Membership {
  check(isUint32(epoch), `epoch ${epoch}`)
  const sizes = quorums(members.length, fastCrashes)
  check(isUint32(nextId), `next id ${nextId}`)
  for (const { id, address, incarnation } of members) {
    check(isUint32(id) && id < nextId, `id ${id}, the next one is ${nextId}`)
    check(address !== '', `replica ${id} has no address`)
    check((incarnation === null) === (epoch === 0), `the incarnation of replica ${id} in epoch ${epoch}`)
    check(incarnation === null || isIncarnation(incarnation), `the incarnation of replica ${id}`)
  }
  for (const id of mayReturn) check(isUint32(id) && id < nextId, `id ${id} may return, the next one is ${nextId}`)
  check(mayReturn.length <= MAX_REPLICAS, `${mayReturn.length} may return`)
  check(isDistinct([...members.map(({ id }) => id), ...mayReturn]), 'an id occurs twice')
  check(isDistinct(members.map(({ address }) => address)), 'an address occurs twice')
  const incarnations = members.flatMap(({ incarnation }) => (incarnation === null ? [] : [incarnation.join()]))
  check(isDistinct(incarnations), 'an incarnation occurs twice')
  const lists = { members: Object.freeze([...members]), mayReturn: Object.freeze([...mayReturn]) }
  return Object.freeze({ epoch, ...lists, nextId, quorums: sizes })
}

/** The members that found a cluster: epoch 0, where ids are positions. Throws as {@link membership} does. */
export function foundingMembers(addresses: readonly string[], fastCrashes?: number): Membership {
  const members = addresses.map((address, id) => ({ id, address, incarnation: null }))
  return membership(0, members, { fastCrashes })
}

/** The row of a member; -1 if no member has this id. */
export function rowOf({ members }: Membership, id: number): number {
  return members.findIndex((member) => member.id === id)
}

/** Where each member listens, by its id. */
export function addressesOf({ members }: Membership): ReadonlyMap<number, string> {
  return new Map(members.map(({ id, address }) => [id, address]))
}

/** Whether two memberships are of the same epoch, and have the same members in the same rows. */
export function isSameMembership(a: Membership, b: Membership): boolean {
  return (
    a.epoch === b.epoch &&
    a.nextId === b.nextId &&
    a.mayReturn.join() === b.mayReturn.join() &&
    a.quorums.fastCrashes === b.quorums.fastCrashes &&
    a.members.length === b.members.length &&
    a.members.every((member, row) => isSameMember(member, b.members[row] as Member))
  )
}

function isSameMember(a: Member, b: Member): boolean {
  return a.id === b.id && a.address === b.address && a.incarnation?.join() === b.incarnation?.join()
}

/** Zeros stand for no incarnation in messages. */
function isIncarnation(bytes: Uint8Array): boolean {
  return bytes.length === INCARNATION_BYTES && bytes.some((byte) => byte !== 0)
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_UINT32
}

function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(`membership: ${what}`)
}
