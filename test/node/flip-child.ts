/**
 * Starts a replica of one on each directory that it is told, one after the other, and says how that ended: a directory
 * per line on stdin, a line per directory on stdout. A damaged LMDB file may end the process.
 */
import { createInterface } from 'node:readline'
import { EpaxosError } from '../../src/errors.ts'
import { fill, openMember } from './on-disk.ts'

for await (const directory of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await outcomeOf(directory)}\n`)
}

/** The code of the error; or the state that was found, and the state after more writes and a restart. */
async function outcomeOf(directory: string): Promise<string> {
  try {
    const first = await openMember(directory)
    const found = first.member.executor.stateHash()
    await fill(first.member, 1000, 5).catch((error) => {
      throw first.failure() ?? error
    })
    const written = first.member.executor.stateHash()
    await first.close()
    const second = await openMember(directory)
    const again = second.member.executor.stateHash()
    await second.close()
    return `${found} ${again === written ? again : 'lost'}`
  } catch (error) {
    return error instanceof EpaxosError ? error.code : `defect: ${(error as Error).stack?.split('\n').join(' ')}`
  }
}
