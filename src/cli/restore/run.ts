import { KeyValueStore } from '../../machine/key-value.ts'
import { restoreBackup } from '../../node/restore-backup.ts'
import { type MayBeLost, readSurvivor } from '../../node/survivor.ts'
import { NewFile } from '../../storage/new-file.ts'
import { Exit } from '../exit-codes.ts'
import { reportFailure } from '../process/failure.ts'
import { progressOf } from '../process/progress.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'
import type { restoreFlags } from './flags.ts'

/** Names of instances beyond so many are only counted. */
const MAX_NAMED = 10

/** Resolves with the exit code. */
export async function runRestore({ settings, positionals }: Given<typeof restoreFlags>): Promise<number> {
  const file = positionals[0] as string
  const { data, id, replicas, cluster, fromSurvivor } = settings
  if (data === undefined && fromSurvivor === undefined) throw wrong('--data is missing')
  if (data !== undefined && replicas === undefined) throw wrong('--replicas is missing')
  if (data !== undefined && id === undefined) throw wrong('--id is missing')
  if (id !== undefined && replicas !== undefined && id >= replicas) {
    throw wrong(`--id ${id} is not a member of ${replicas}: ids count from 0`)
  }
  try {
    if (fromSurvivor !== undefined) await backUpSurvivor(fromSurvivor, file)
    if (data !== undefined) await restoreMember(file, data, id as number, replicas as number, cluster)
    return Exit.done
  } catch (error) {
    return reportFailure(error)
  }
}

async function restoreMember(file: string, data: string, id: number, replicas: number, cluster: string): Promise<void> {
  const machine = new KeyValueStore()
  const progress = progressOf('restore')
  const { about, digest } = await restoreBackup({ file, data, id, replicas, cluster, machine, progress })
  process.stdout.write(
    [
      `restored     ${data}: replica ${id} of ${replicas} of cluster ${cluster}`,
      `from         ${file}, taken ${about.takenAt} from cluster ${about.cluster}`,
      `digest       ${digest}: the same at every member of the new cluster`,
      '',
    ].join('\n'),
  )
}

async function backUpSurvivor(directory: string, file: string): Promise<void> {
  const created = await NewFile.create(file)
  try {
    const survivor = await readSurvivor(directory, new KeyValueStore(), new Date().toISOString())
    for (const piece of survivor.pieces) await created.write(piece)
    await created.finish()
    const { header, mayBeLost } = survivor
    process.stdout.write(`backup       ${file}: the state of ${directory}, executed ${header.executed.join(' ')}\n`)
    process.stdout.write(lostText(mayBeLost, header.id))
  } catch (error) {
    await created.abandon()
    throw error
  }
}

/** What an operator must know before clients come back. */
function lostText({ committed, undecided }: MayBeLost, id: number): string {
  return [
    'May be lost, although it was answered:',
    `  every update that had not been executed by replica ${id}: what the others had done without it is not known here`,
    `  batches that were committed here, but waited for others that are not here: ${named(committed)}`,
    `  batches that were proposed, and not known to be committed here: ${named(undecided)}`,
    '',
  ].join('\n')
}

function named(instances: readonly string[]): string {
  if (instances.length === 0) return 'none'
  const first = instances.slice(0, MAX_NAMED).join(', ')
  return `${instances.length} (${first}${instances.length > MAX_NAMED ? ', …' : ''})`
}
