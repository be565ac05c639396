import { decodeImage, encodeImage } from '../codec/image.ts'
import { FORMAT_VERSION } from '../codec/limits.ts'
import { decodeRecords, encodeRecords } from '../codec/records.ts'
import type { ImageHead, ImagePart } from '../protocol/image.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import { type MemberRecord, type PeerRecord, RecordType, type StartRecord } from '../protocol/records.ts'
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoints.ts'
import { appendSection } from './append-section.ts'
import type { Clock } from './clock.ts'
import { EPOCH_SECTION, type EpochStart, encodeEpochStart } from './epoch-start.ts'

export interface EnteringOptions {
  /** The checkpoint of a peer. */
  readonly reader: CheckpointReader
  readonly start: EpochStart
  readonly store: CheckpointStore
  /** The name of the cluster, and this replica's id in the new epoch. */
  readonly cluster: string
  readonly id: number
  /** What this replica knows of starts and peers. */
  readonly records: readonly MemberRecord[]
  /** The last value of the journal, all of which is durable and of an epoch before. */
  readonly journal: number
  readonly clock: Clock
  /** Throws if the replica is closed. */
  readonly goesOn: () => void
}

/**
 * Makes the checkpoint of a peer in a later epoch this replica's own (protocol.md §11). From its end on, which is one
 * step, this directory is one of the later epoch. The giver's votes, and what it knows of instances that have not
 * executed, are left out: they are not this replica's.
 *
 * Rejects with an `EpaxosError`: `damaged` if the checkpoint is not what its giver has written, or `storage`.
 */
export async function enterEpoch(options: EnteringOptions): Promise<void> {
  const { reader, start, store, cluster, id, journal, clock, goesOn } = options
  const { executed, beyond, epoch } = reader.header
  const writer = store.begin({ formatVersion: FORMAT_VERSION, cluster, id, epoch, journal, executed, beyond })
  const parts = executedOnly(decodeImage(reader.chunks('core'), start.members), start.members, id)
  try {
    await writer.append(EPOCH_SECTION, encodeEpochStart(start))
    await writer.append('members', encodeRecords(knownBy(options)))
    await appendSection(writer, 'core', encodeImage(parts), clock, goesOn)
    for (const name of ['machine', 'sessions']) {
      await appendSection(writer, name, reader.chunks(name), clock, goesOn)
    }
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

/**
 * What both know of the starts of others: a start that one of them has met is one that the replica must not forget, or
 * a newcomer would believe each copy of a directory (protocol.md §9).
 */
function knownBy({ reader, start, id, records }: EnteringOptions): MemberRecord[] {
  const known = new Map<number, PeerRecord>()
  const own: MemberRecord[] = []
  const learn = (record: PeerRecord) => {
    const isNewer = record.start.number > (known.get(record.id)?.start.number ?? 0)
    if (isNewer && record.id !== id && rowOf(start.members, record.id) >= 0) known.set(record.id, record)
  }
  const giver = start.members.members[rowOf(start.members, reader.header.id)]
  const learnGiver = ({ number, nonce }: StartRecord) => {
    const incarnation = giver?.incarnation ?? null
    if (giver === undefined || incarnation === null) return
    learn({ type: RecordType.peer, id: giver.id, incarnation, start: { number, nonce }, heard: 0 })
  }
  for (const record of records) {
    if (record.type === RecordType.peer) learn(record)
    else own.push(record)
  }
  decodeRecords(Buffer.concat([...reader.chunks('members')]), start.members, (record) => {
    if (record.type === RecordType.peer) learn(record)
    else if (record.type === RecordType.start) learnGiver(record)
  })
  return [...own, ...known.values()]
}

/** The image without what is the giver's own: its slot, its open instances, and places in its journal. */
function executedOnly(parts: Iterator<ImagePart>, { members }: Membership, id: number) {
  const first = parts.next().value as Extract<ImagePart, { kind: 'head' }>
  const row = members.findIndex((member) => member.id === id)
  const { head } = first
  // A replica that was removed has no row, and will have no slots.
  const own = row < 0 ? 0 : Math.max(head.executed[row] as number, ...(head.beyond[row] as readonly number[]))
  const ownHead: ImageHead = { ...head, slot: own }
  function* kept(): Generator<ImagePart> {
    yield { kind: 'head', head: ownHead }
    for (let next = parts.next(); !next.done; next = parts.next()) {
      if (next.value.kind !== 'executed') continue
      yield { kind: 'executed', executed: { ...next.value.executed, batchNumber: 0, batchIndex: 0 } }
    }
  }
  return { head: ownHead, parts: kept, release: () => {} }
}
