import { FORMAT_VERSION } from '../codec/limits.ts'
import { loadEngine } from '../engine/index.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { StateMachine } from '../execution/machine.ts'
import { foundingMembers } from '../protocol/membership.ts'
import { MAX_REPLICAS } from '../protocol/quorums.ts'
import { BackupFile, type Progress } from '../storage/backup-file.ts'
import type { About } from '../storage/backup-format.ts'
import type { CheckpointHeader, CheckpointStore } from '../storage/checkpoints.ts'
import { DataDirectory } from '../storage/directory.ts'
import { openCheckpoints } from '../storage/lmdb-checkpoints.ts'
import { imagePieces } from './image-pieces.ts'
import { isClusterName } from './options.ts'
import { StateOnly } from './state-only.ts'

export interface RestoreBackupOptions {
  /** The path of the backup: the same file for every member of the new cluster. */
  readonly file: string
  /** The data directory to make; it must be empty, or not exist. */
  readonly data: string
  /** Of the new member, from 0. */
  readonly id: number
  /** How many members the new cluster has. */
  readonly replicas: number
  /** The name of the new cluster. Default `local`. */
  readonly cluster?: string
  /** An empty machine of the kind that the old cluster had. */
  readonly machine: StateMachine
  readonly progress?: Progress
}

/** Of the disk, besides the state: LMDB's own pages, for the checkpoint and the journal. */
const SPARE_BYTES = 1 << 20

/** What was restored. */
export interface RestoredBackup {
  readonly about: About
  readonly header: CheckpointHeader
  /** Names the backup. Members found a cluster together only if this is the same at all. */
  readonly digest: string
  readonly bytes: number
}

/**
 * Makes the data directory of a member of a new cluster, which begins with the state of a backup. The new cluster is in
 * epoch 0, its directories have incarnations of their own, and nothing of the old log is in it; the sessions are
 * (README, "Backup and restore"). Then the member is started like any other.
 *
 * @throws EpaxosError `not_a_backup`, `wrong_format`, `damaged`, `exists`, `disk_full`, `storage`, `locked`, or
 *   `configuration`
 */
export async function restoreBackup(options: RestoreBackupOptions): Promise<RestoredBackup> {
  const { file, data, id, replicas, cluster = 'local', machine, progress } = options
  check(isCount(replicas) && replicas >= 1 && replicas <= MAX_REPLICAS, `1 to ${MAX_REPLICAS} replicas: ${replicas}`)
  check(isCount(id) && id < replicas, `replica ${id} of ${replicas}: ids count from 0`)
  check(isClusterName(cluster), `not a cluster's name: ${cluster}`)
  const backup = await BackupFile.open(file, progress)
  try {
    const { about, digest, bytes, reader } = backup
    // Any addresses: they may change with each start.
    const members = foundingMembers(Array.from({ length: replicas }, (_, row) => `replica-${row}:1`))
    const state = new StateOnly({ members, row: id, engine: await loadEngine({ replicas }), machine, readBatch: null })
    state.end(0)
    state.executor.restore((section) => reader.chunks(section))
    state.executor.sessions.forgetClaims()
    const owner = { cluster, id, replicas, formatVersion: FORMAT_VERSION }
    const fill = (path: string) => writeCheckpoint(path, cluster, id, state)
    await DataDirectory.restore(data, owner, digest, bytes + SPARE_BYTES, fill)
    return { about, header: reader.header, digest, bytes }
  } finally {
    await backup.close()
  }
}

/** The only checkpoint of a directory, as of an empty journal. */
async function writeCheckpoint(path: string, cluster: string, id: number, state: StateOnly): Promise<void> {
  const store: CheckpointStore = await openCheckpoints(path)
  try {
    const image = state.core.image()
    const { epoch, executed, beyond } = image.head
    const writer = store.begin({ formatVersion: FORMAT_VERSION, cluster, id, epoch, journal: 0, executed, beyond })
    const pieces = imagePieces(null, [], image, state.executor.capture())
    for (let next = pieces.next(); !next.done; next = pieces.next()) {
      const [section, bytes] = next.value
      await writer.append(section, bytes)
    }
    await writer.finish()
  } finally {
    await store.close()
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new EpaxosError(ErrorCode.configuration, message)
}
