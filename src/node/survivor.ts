import { FORMAT_VERSION } from '../codec/limits.ts'
import { loadEngine } from '../engine/index.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { gathered } from '../execution/chunks.ts'
import type { StateMachine } from '../execution/machine.ts'
import type { ImagePart } from '../protocol/image.ts'
import { foundingMembers, rowOf } from '../protocol/membership.ts'
import { RecordType } from '../protocol/records.ts'
import { type About, BackupEncoder } from '../storage/backup-format.ts'
import type { CheckpointHeader, CheckpointStore } from '../storage/checkpoints.ts'
import { DataDirectory, type IdentityFile, readIdentity } from '../storage/directory.ts'
import type { Journal } from '../storage/journal.ts'
import { LmdbJournal } from '../storage/lmdb.ts'
import { openCheckpoints } from '../storage/lmdb-checkpoints.ts'
import { batchReader } from './batch-reader.ts'
import { realClock } from './clock.ts'
import { newestEpochStart } from './epoch-start.ts'
import { Incarnations } from './incarnations.ts'
import { SILENT } from './logger.ts'
import { replayJournal } from './replay.ts'
import { restoreCheckpoint } from './restore.ts'
import { StateOnly } from './state-only.ts'

/** Instances that are in a data directory and not in its state, as `row.slot`. */
export interface MayBeLost {
  /** Committed, but something that they depend on is not here. They may have been answered elsewhere. */
  readonly committed: readonly string[]
  /** Proposed, and not known to be committed. They may have been committed and answered elsewhere. */
  readonly undecided: readonly string[]
}

/** The state that one replica has on its disk. */
export interface Survivor {
  readonly about: About
  readonly header: CheckpointHeader
  readonly mayBeLost: MayBeLost
  /** A backup of it, iterated once. */
  readonly pieces: Iterable<Uint8Array>
}

/** Chunks of a machine may be of any size. */
const MAX_CHUNK_BYTES = 64 << 10

/**
 * Reads the state from the data directory of a replica that does not run: the last checkpoint, and everything that the
 * journal has committed and that can be executed. It is a state that the cluster has had. Whatever this replica did not
 * know to be committed is not in it. The directory stays as it is, except for its lock.
 *
 * @param machine an empty one of the kind that the cluster has
 * @throws EpaxosError `foreign_directory`, `locked` while the replica runs, `damaged`, or `storage`
 */
export async function readSurvivor(path: string, machine: StateMachine, takenAt: string): Promise<Survivor> {
  const identity = await readIdentity(path)
  if (identity === null) throw new EpaxosError(ErrorCode.foreignDirectory, `${path} is not the data of a replica`)
  const { cluster, id, replicas } = identity
  const directory = await DataDirectory.open(path, { cluster, id, replicas, formatVersion: FORMAT_VERSION })
  let journal: Journal | null = null
  let store: CheckpointStore | null = null
  try {
    journal = await LmdbJournal.open(directory.journalPath)
    store = await openCheckpoints(directory.checkpointsPath)
    const { state, clusterId } = await readState(identity, machine, journal, store)
    const { replicas: members } = state.core.quorums
    const about = { formatVersion: FORMAT_VERSION, cluster, clusterId, replicas: members, takenAt }
    return survivorOf(state, about, id, journal.last)
  } finally {
    await store?.close()
    await journal?.close()
    await directory.close()
  }
}

async function readState(
  { cluster, id: founder, replicas, incarnation, origin }: IdentityFile,
  machine: StateMachine,
  journal: Journal,
  store: CheckpointStore,
): Promise<{ readonly state: StateOnly; readonly clusterId: string | null }> {
  const newest = newestEpochStart(store)
  if (newest === null && replicas === 0) {
    throw new EpaxosError(ErrorCode.foreignDirectory, 'the directory is of a replica that was never a member')
  }
  const founders = () => foundingMembers(Array.from({ length: replicas }, (_, row) => `replica-${row}:1`))
  const members = newest?.start.members ?? founders()
  const id = newest?.id ?? founder
  const engine = await loadEngine({ replicas: members.quorums.replicas })
  // A replica that was removed has a state, too.
  const row = Math.max(0, rowOf(members, id))
  const state = new StateOnly({ members, row, engine, machine, readBatch: batchReader(journal, members) })
  const { core, executor } = state
  const bytes = Buffer.from(incarnation, 'hex')
  const incarnations = new Incarnations({
    ...{
      id,
      members,
      clusterId: newest?.start.clusterId ?? null,
      incarnation: bytes,
      origin,
      nonce: new Uint8Array(16),
      heard: () => 0,
    },
    ...{ write: () => Promise.resolve(0), superseded: () => {}, founded: () => {} },
  })
  // The one before the newest stays as well: this directory may be all that is left.
  const kept = { whole: store.whole, read: (number: number) => store.read(number), settle: () => {} }
  const restored = origin === undefined ? {} : { origin }
  const identity = { cluster, members, id, incarnation: bytes, address: '', clientUrl: '', ...restored }
  const parts = { core, executor, incarnations, hasState: false, clock: realClock, logger: SILENT }
  const { number } = await restoreCheckpoint({ ...parts, store: kept, journal, identity })
  const execute = () => {
    state.execute()
    return true
  }
  await replayJournal(journal, number, members, { ...parts, execute })
  incarnations.restored()
  state.end(journal.last)
  return { state, clusterId: incarnations.standing.clusterId }
}

function survivorOf({ core, executor }: StateOnly, about: About, id: number, journal: number): Survivor {
  const image = core.image()
  const { epoch, executed, beyond } = image.head
  const header = { formatVersion: FORMAT_VERSION, cluster: about.cluster, id, epoch, journal, executed, beyond }
  const mayBeLost = lostOf(image.parts())
  image.release()
  const execution = executor.capture()
  function* pieces(): Iterable<Uint8Array> {
    const encoder = new BackupEncoder()
    yield encoder.begin(about)
    for (const { name, chunks } of execution.sections) {
      for (const chunk of pieced(gathered(chunks))) yield encoder.chunk(name, chunk)
    }
    yield encoder.end(header)
  }
  return { about, header, mayBeLost, pieces: pieces() }
}

function lostOf(parts: Iterable<ImagePart>): MayBeLost {
  const committed = new Set<string>()
  const undecided = new Set<string>()
  for (const part of parts) {
    if (part.kind !== 'open') continue
    const { type, row, slot } = part.record
    // A promise alone says nothing of a command.
    if (type === RecordType.com) committed.add(`${row}.${slot}`)
    else if (type !== RecordType.bal) undecided.add(`${row}.${slot}`)
  }
  for (const name of committed) undecided.delete(name)
  return { committed: [...committed], undecided: [...undecided] }
}

function* pieced(chunks: Iterable<Uint8Array>): Iterable<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += MAX_CHUNK_BYTES) yield chunk.subarray(at, at + MAX_CHUNK_BYTES)
  }
}
