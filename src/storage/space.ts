import { statfs } from 'node:fs/promises'
import { EpaxosError, ErrorCode } from '../errors.ts'

/**
 * With less than this many bytes free, new commands are refused while there is still room for the records of all
 * commands accepted before: four frames of the longest kind (16 MiB), and the pages that LMDB copies on the way. A
 * quarter of a smaller disk.
 */
export const NEARLY_FULL_BYTES = 128 << 20

/**
 * With less than this many bytes free, a replica stops taking part, as if it were down, until {@link NEARLY_FULL_BYTES}
 * are free again: the messages of the others would fill the disk and end the replica. Enough for what is on its way to
 * the disk. An eighth of a smaller disk.
 */
export const FULL_BYTES = 64 << 20

/** The file system that a directory is on. */
export class DiskSpace {
  readonly totalBytes: number
  readonly nearlyFullBytes: number
  readonly fullBytes: number
  readonly #directory: string

  /** @throws EpaxosError `storage` if the directory is gone or cannot be reached */
  static async of(directory: string): Promise<DiskSpace> {
    return new DiskSpace(directory, (await sizes(directory)).total)
  }

  private constructor(directory: string, totalBytes: number) {
    this.#directory = directory
    this.totalBytes = totalBytes
    this.nearlyFullBytes = Math.min(NEARLY_FULL_BYTES, totalBytes / 4)
    this.fullBytes = Math.min(FULL_BYTES, totalBytes / 8)
  }

  /**
   * Bytes that this user can still write. Takes microseconds, in a thread of the pool.
   *
   * @throws EpaxosError `storage` if the directory is gone or cannot be reached
   */
  async free(): Promise<number> {
    return (await sizes(this.#directory)).free
  }
}

async function sizes(directory: string): Promise<{ total: number; free: number }> {
  try {
    const { blocks, bavail, bsize } = await statfs(directory)
    return { total: blocks * bsize, free: bavail * bsize }
  } catch (error) {
    throw new EpaxosError(ErrorCode.storage, `The data directory is lost: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
