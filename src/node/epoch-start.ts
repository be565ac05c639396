import { CLUSTER_ID_BYTES } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { readU32, writeU32 } from '../execution/bytes.ts'
import { addressesOf, type Member, type Membership, rowOf } from '../protocol/membership.ts'
import { decodeMembership, encodeMembership } from '../protocol/membership-bytes.ts'
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'

/** The section of a checkpoint that holds an {@link EpochStart}; a checkpoint of epoch 0 has none. */
export const EPOCH_SECTION = 'epoch'

/** How an epoch after the first one began: what each of its checkpoints says (protocol.md §11). */
export interface EpochStart {
  /** Of the cluster, for ever: 32 hexadecimal digits. */
  readonly clusterId: string
  readonly members: Membership
  /** The members of the epoch before. Those that left are told, and may need the closing checkpoint. */
  readonly previous: Membership
}

/** The cluster id, then both memberships, each after a `u32` with its size. */
export function encodeEpochStart({ clusterId, members, previous }: EpochStart): Uint8Array {
  const parts = [encodeMembership(members), encodeMembership(previous)]
  const sizes = parts.map(({ length }) => {
    const size = new Uint8Array(4)
    writeU32(size, 0, length)
    return size
  })
  return Buffer.concat([Buffer.from(clusterId, 'hex'), ...parts.flatMap((part, i) => [sizes[i] as Uint8Array, part])])
}

/** Throws an `EpaxosError` with code `damaged`. */
export function decodeEpochStart(bytes: Uint8Array): EpochStart {
  try {
    const clusterId = Buffer.from(bytes.subarray(0, CLUSTER_ID_BYTES)).toString('hex')
    const [members, next] = readMembership(bytes, CLUSTER_ID_BYTES)
    const [previous, end] = readMembership(bytes, next)
    if (end !== bytes.length || members.epoch !== previous.epoch + 1) throw new RangeError('not one after the other')
    return { clusterId, members, previous }
  } catch (cause) {
    const why = (cause as Error).message
    throw new EpaxosError(ErrorCode.damaged, `a checkpoint does not say who takes part: ${why}`, { cause })
  }
}

function readMembership(bytes: Uint8Array, at: number): [Membership, number] {
  if (at + 4 > bytes.length) throw new RangeError('it is cut off')
  const end = at + 4 + readU32(bytes, at)
  if (end > bytes.length) throw new RangeError('it is cut off')
  return [decodeMembership(bytes.subarray(at + 4, end)), end]
}

/**
 * Of a checkpoint; null if it is of epoch 0. Throws an `EpaxosError` with code `damaged`.
 */
export function epochStartOf(reader: CheckpointReader): EpochStart | null {
  if (reader.header.epoch === 0) return null
  const start = decodeEpochStart(Buffer.concat([...reader.chunks(EPOCH_SECTION)]))
  if (start.members.epoch === reader.header.epoch) return start
  throw new EpaxosError(ErrorCode.damaged, 'a checkpoint says that it is of two epochs')
}

/**
 * What the data directory says of the epoch in which it is; null for epoch 0. It is that of the newest checkpoint that
 * can be read; whether that is damaged, and what to do then, shows when it is restored.
 */
export function newestEpochStart(store: CheckpointStore): { readonly start: EpochStart; readonly id: number } | null {
  for (const number of [...store.whole].reverse()) {
    let reader: CheckpointReader | null = null
    try {
      reader = store.read(number)
      const start = epochStartOf(reader)
      return start === null ? null : { start, id: reader.header.id }
    } catch (error) {
      if (!(error instanceof EpaxosError) || error.code !== ErrorCode.damaged) throw error
    } finally {
      reader?.close()
    }
  }
  return null
}

/** Those that a replica dials: all members, and those that left with the last change, who may not know of it. */
export function peersIn(start: EpochStart, id: number): ReadonlyMap<number, string> {
  const peers = new Map(addressesOf(start.members))
  const taken = new Set(peers.values())
  for (const { id: leaver, address } of leaversOf(start)) if (!taken.has(address)) peers.set(leaver, address)
  peers.delete(id)
  return peers
}

/** Those who were members of the epoch before, and are not of this one. */
function leaversOf({ members, previous }: EpochStart): Member[] {
  return previous.members.filter(({ id }) => rowOf(members, id) < 0)
}

/** The member whose directory has the incarnation; null if there is none. */
export function memberWith({ members }: Membership, incarnation: Uint8Array): Member | null {
  return members.find((member) => Buffer.compare(member.incarnation ?? NOBODY, incarnation) === 0) ?? null
}

const NOBODY = new Uint8Array(0)
