import { randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Makes the names in a directory durable: a created or renamed file is not durable until its directory is synced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The prefix of files that {@link writeAtomically} has not finished. */
export const UNFINISHED = '.unfinished-'

/** Writes a file so that after a crash, at whatever moment, it holds either all of `text` or what it held before. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  const directory = dirname(path)
  const unfinished = join(directory, `${UNFINISHED}${basename(path)}-${randomBytes(6).toString('hex')}`)
  try {
    const handle = await open(unfinished, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await unlink(unfinished).catch(() => {})
    throw error
  }
  await syncDirectory(directory)
}
