import { EpaxosError, ErrorCode } from '../errors.ts'
import { type About, BackupEncoder, backupSize } from '../storage/backup-format.ts'
import type { CheckpointReader } from '../storage/checkpoints.ts'
import type { Backup, Respond } from './requests.ts'

/** What a backup holds of a checkpoint: the rest belongs to one replica of the old cluster. */
const SECTIONS = ['machine', 'sessions']

export interface BackupSource {
  readonly about: About
  /** Proposes an empty batch that interferes with everything, and responds when it has executed here. */
  barrier(respond: Respond): void
  /** See `Checkpointer.take`. */
  checkpoint(): Promise<CheckpointReader>
}

/**
 * Takes a backup of a member that is running: the state as of one point between two components, after everything that
 * was answered by any replica before this call. Rejects with an `EpaxosError`.
 */
export async function takeBackup(source: BackupSource): Promise<Backup> {
  await new Promise<void>((resolve, reject) => {
    source.barrier((answer) => {
      if (answer.outcome === 'done') resolve()
      else reject(new EpaxosError(ErrorCode.notReady, `no quorum confirms what was answered: ${answer.message}`))
    })
  })
  return backupOf(await source.checkpoint(), source.about)
}

function backupOf(reader: CheckpointReader, about: About): Backup {
  const { header } = reader
  const sections = reader.sections.filter(({ name }) => SECTIONS.includes(name))
  function* pieces(): Iterable<Uint8Array> {
    const encoder = new BackupEncoder()
    yield encoder.begin(about)
    for (const { name } of sections) for (const chunk of reader.chunks(name)) yield encoder.chunk(name, chunk)
    yield encoder.end(header)
  }
  return { bytes: backupSize(about, { header, sections }), pieces: pieces(), close: () => reader.close() }
}
