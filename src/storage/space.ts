import { statfs } from 'node:fs/promises'
import { EpaxosError, ErrorCode } from '../errors.ts'

/**
 * With less than this many bytes free, new commands are refused while there is still room for the records of all
 * commands accepted before: four frames of the longest kind (16 MiB), and the pages that LMDB copies on the way.
 */
export const NEARLY_FULL_BYTES = 128 << 20

/**
 * With less than this many bytes free, a replica stops taking part, as if it were down, until {@link NEARLY_FULL_BYTES}
 * are free again: the messages of the others would fill the disk and end the replica. Enough for what is on its way to
 * the disk.
 */
export const FULL_BYTES = 64 << 20

/**
 * Bytes that this user can still write to the file system of `directory`. Takes microseconds, in a thread of the pool.
 *
 * @throws EpaxosError `storage` if the directory is gone or cannot be reached
 */
export async function freeBytes(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch (error) {
    throw new EpaxosError(ErrorCode.storage, `The data directory is lost: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
