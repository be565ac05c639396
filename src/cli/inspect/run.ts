import { stat } from 'node:fs/promises'
import { EpaxosError, ErrorCode } from '../../errors.ts'
import { BackupFile } from '../../storage/backup-file.ts'
import { InspectedDirectory } from '../../storage/inspected.ts'
import { backupText } from '../backup/text.ts'
import { Exit, ReplicaExit } from '../exit-codes.ts'
import { complain } from '../process/complain.ts'
import type { Given } from '../settings/read.ts'
import { contentsOf } from './contents.ts'
import type { inspectFlags } from './flags.ts'
import { contentsText } from './text.ts'

/** Resolves with the exit code. */
export async function runInspect({ settings, positionals }: Given<typeof inspectFlags>): Promise<number> {
  const path = positionals[0] as string
  let directory: InspectedDirectory | null = null
  try {
    if (await isFile(path)) return await inspectBackup(path, settings.json)
    directory = await InspectedDirectory.open(path)
    const contents = contentsOf(directory)
    process.stdout.write(settings.json ? `${JSON.stringify(contents, null, 2)}\n` : contentsText(contents))
    return contents.damages.length === 0 ? Exit.done : Exit.failed
  } catch (error) {
    if (!(error instanceof EpaxosError)) throw error
    complain(`${error.message} (${error.code})`)
    return NOT_OURS.includes(error.code) ? ReplicaExit.directory : ReplicaExit.storage
  } finally {
    await directory?.close()
  }
}

const NOT_OURS: readonly ErrorCode[] = [ErrorCode.foreignDirectory, ErrorCode.notBackup, ErrorCode.wrongFormat]

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  )
}

async function inspectBackup(path: string, json: boolean): Promise<number> {
  try {
    const backup = await BackupFile.open(path)
    const { about, digest, bytes, reader } = backup
    const { header, sections } = reader
    const contents = { path, bytes, digest, ...about, header, sections }
    process.stdout.write(json ? `${JSON.stringify(contents, null, 2)}\n` : backupText(path, backup))
    await backup.close()
    return Exit.done
  } catch (error) {
    if (!(error instanceof EpaxosError) || error.code !== ErrorCode.damaged) throw error
    complain(`${error.message} (${error.code})`)
    return Exit.failed
  }
}
