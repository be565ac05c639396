import { statfs } from 'node:fs/promises'

/**
 * Below this many free bytes new commands are refused, while there is still room for the records of all that was accepted before: four frames
 * of the longest kind (16 MiB), and the pages that LMDB copies on the way.
 */
export const NEARLY_FULL_BYTES = 128 << 20

/** Bytes that this user can still write on the file system that holds `directory`. Takes microseconds, in a thread of the pool. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
