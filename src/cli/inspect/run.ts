import { EpaxosError, ErrorCode } from '../../errors.ts'
import { InspectedDirectory } from '../../storage/inspected.ts'
import { Exit, ReplicaExit } from '../exit-codes.ts'
import { complain } from '../process/complain.ts'
import type { Given } from '../settings/read.ts'
import { contentsOf } from './contents.ts'
import type { inspectFlags } from './flags.ts'
import { contentsText } from './text.ts'

/** Resolves with the exit code. */
export async function runInspect({ settings, positionals }: Given<typeof inspectFlags>): Promise<number> {
  let directory: InspectedDirectory | null = null
  try {
    directory = await InspectedDirectory.open(positionals[0] as string)
    const contents = contentsOf(directory)
    process.stdout.write(settings.json ? `${JSON.stringify(contents, null, 2)}\n` : contentsText(contents))
    return contents.damages.length === 0 ? Exit.done : Exit.failed
  } catch (error) {
    if (!(error instanceof EpaxosError)) throw error
    complain(error.message)
    return error.code === ErrorCode.foreignDirectory ? ReplicaExit.directory : ReplicaExit.storage
  } finally {
    await directory?.close()
  }
}
