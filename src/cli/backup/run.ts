import { BackupFile } from '../../storage/backup-file.ts'
import { NewFile } from '../../storage/new-file.ts'
import { Exit } from '../exit-codes.ts'
import { download } from '../http/download.ts'
import { targetOf } from '../http/target.ts'
import { complain } from '../process/complain.ts'
import { reportFailure } from '../process/failure.ts'
import { progressOf } from '../process/progress.ts'
import { stopSignal } from '../process/stop.ts'
import type { Given } from '../settings/read.ts'
import type { backupFlags } from './flags.ts'
import { backupText } from './text.ts'

/** Resolves with the exit code. */
export async function runBackup(given: Given<typeof backupFlags>): Promise<number> {
  const target = targetOf(given)
  const signal = stopSignal()
  let file: NewFile | null = null
  try {
    const created = await NewFile.create(given.positionals[0] as string)
    file = created
    let told = false
    await download(target, {
      path: '/backup',
      write: (bytes) => created.write(bytes),
      preparing: () => {
        if (!told) complain('backup: the replica takes a checkpoint')
        told = true
      },
      progress: progressOf('backup'),
      signal,
    })
    let text = ''
    await created.finish(async (path) => {
      const backup = await BackupFile.open(path)
      text = backupText(created.path, backup)
      await backup.close()
    })
    process.stdout.write(text)
    return Exit.done
  } catch (error) {
    await file?.abandon()
    if (signal.aborted) return Exit.failed
    return reportFailure(error)
  }
}
