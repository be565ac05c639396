import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { syncDirectory, UNFINISHED } from './files.ts'

/** File systems that have no hard links say so with one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/**
 * A file that gets its name when all of it is written and synced, and not before. It never replaces another file. A
 * process that is killed meanwhile leaves a file beside it whose name begins with {@link UNFINISHED}.
 */
export class NewFile {
  readonly path: string
  /** Where it is written. */
  readonly unfinished: string
  readonly #handle: FileHandle

  private constructor(path: string, unfinished: string, handle: FileHandle) {
    this.path = path
    this.unfinished = unfinished
    this.#handle = handle
  }

  /** @throws EpaxosError `exists`, `storage`, or `disk_full` */
  static async create(name: string): Promise<NewFile> {
    const path = resolve(name)
    const unfinished = join(dirname(path), `${UNFINISHED}${basename(path)}-${randomBytes(6).toString('hex')}`)
    await refuseExisting(path)
    return await storing(path, async () => new NewFile(path, unfinished, await open(unfinished, 'wx', 0o600)))
  }

  async write(bytes: Uint8Array): Promise<void> {
    await storing(this.path, () => this.#handle.writeFile(bytes))
  }

  /**
   * Syncs the file; `check` may read it under its unfinished name, and throws if it must not get its own.
   *
   * @throws EpaxosError what `check` throws, `exists`, `storage`, or `disk_full`: abandon it then
   */
  async finish(check: (unfinished: string) => Promise<void> = async () => {}): Promise<void> {
    await storing(this.path, () => this.#handle.sync())
    await this.#handle.close()
    await check(this.unfinished)
    await storing(this.path, async () => {
      try {
        await link(this.unfinished, this.path)
        await unlink(this.unfinished)
      } catch (error) {
        if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
        await refuseExisting(this.path)
        await rename(this.unfinished, this.path)
      }
      await syncDirectory(dirname(this.path))
    })
  }

  /** Removes what was written. Never rejects. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await unlink(this.unfinished).catch(() => {})
  }
}

async function refuseExisting(path: string): Promise<void> {
  const isFree = await stat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  )
  if (!isFree) throw exists(path)
}

function exists(path: string): EpaxosError {
  return new EpaxosError(ErrorCode.exists, `${path} exists already: it is left as it is`)
}

/** Runs it, with the errors of the file system in our terms. */
async function storing<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof EpaxosError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw exists(path)
    const kind = code === 'ENOSPC' || code === 'EDQUOT' ? ErrorCode.diskFull : ErrorCode.storage
    throw new EpaxosError(kind, `${path} cannot be written: ${message}`, { cause: error })
  }
}
