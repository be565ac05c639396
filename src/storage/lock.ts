import { randomBytes } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { syncDirectory } from './files.ts'

/** The folder of the lock's generations, and the prefix of folders that are prepared to become it. */
export const LOCK_FOLDER = 'lock'
export const PREPARED_LOCK_FOLDER = '.lock-'

/** The prefix of sockets that have no generation yet. */
const STARTING = 'starting-'

/** Platforms limit the path of a socket; the shortest limit is 104 bytes, including its end. */
const MAX_SOCKET_PATH_BYTES = 103

/** A round of acquiring fails only if another process made progress: this many failures in a row do not happen. */
const MAX_ROUNDS = 100

/**
 * The exclusive use of a directory, for as long as this process lives.
 *
 * Node has no file locks. A file with a process id cannot be trusted: ids are reused, and differ between containers.
 * But the kernel knows exactly whether anybody listens on a Unix socket: a connection to its file succeeds while the
 * listening process lives, stopped or not, and is refused from the moment it is dead, also after kill -9 and after a
 * restart of the machine. So the lock is a socket file that the process listens on. It works across containers that
 * share the directory, and within one process.
 *
 * Taking over a dead lock must not race. Lock files are numbered generations, `lock/1`, `lock/2`, …. A process takes a
 * number with link(2) of a socket that already listens. So exactly one process gets the number, and nobody ever sees it
 * not listening:
 * 1. Find the highest generation g. If somebody listens on it: locked.
 * 2. Link the own socket as g + 1. If it exists: go to 1.
 * 3. If g is gone, or a generation higher than the own one exists, another process was faster: give up the own one, go
 *   to 1. Otherwise the lock is held.
 * 4. Remove the lower generations, the lowest first. The own one stays for ever, as the g of the next process.
 *
 * Why step 3 is enough: only a holder of a later generation removes g, and it does so before it removes g + 1. So if
 * link succeeds because an earlier g + 1 was removed, then g was removed before. The folder is made by renaming, with a
 * generation 0 in it that nobody listens on.
 *
 * Limits: it does not see processes on other machines (network file systems), and it refuses directories on file
 * systems without sockets and hard links.
 */
export class DirectoryLock {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** @throws EpaxosError `locked` if another process holds it, `storage` if the directory cannot be locked */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = resolve(directory)
    try {
      await makeFolder(path)
      return new DirectoryLock(await withShortPath(join(path, LOCK_FOLDER), (folder) => acquireIn(folder, path)))
    } catch (error) {
      if (error instanceof EpaxosError) throw error
      throw new EpaxosError(ErrorCode.storage, `${path} cannot be locked: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  async release(): Promise<void> {
    await new Promise((done) => this.#server.close(done))
  }
}

/** Whether a process that is running holds the lock of the directory. */
export async function isLocked(directory: string): Promise<boolean> {
  const folder = join(resolve(directory), LOCK_FOLDER)
  const numbers = await generations(folder).catch(() => [])
  if (numbers.length === 0) return false
  return (await withShortPath(folder, (short) => holderOf(join(short, `${Math.max(...numbers)}`)))) === 'alive'
}

async function acquireIn(folder: string, path: string): Promise<Server> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const current = Math.max(...(await generations(folder)))
    const holder = await holderOf(join(folder, `${current}`))
    if (holder === 'alive')
      throw new EpaxosError(ErrorCode.locked, `${path} is used by another process that is running`)
    const server = holder === 'dead' ? await takeOver(folder, current) : null
    if (server) return server
  }
  throw new EpaxosError(ErrorCode.locked, `Too many processes try to use ${path} at once`)
}

/** Steps 2 to 4; null if another process was faster. */
async function takeOver(folder: string, current: number): Promise<Server | null> {
  const starting = join(folder, `${STARTING}${randomBytes(6).toString('hex')}`)
  const server = await listen(starting)
  const own = join(folder, `${current + 1}`)
  const linked = await succeeds(link(starting, own), 'EEXIST', 'ENOENT')
  await succeeds(unlink(starting), 'ENOENT')
  if (linked) {
    await syncDirectory(folder)
    const isNext = await succeeds(stat(join(folder, `${current}`)), 'ENOENT')
    if (isNext && Math.max(...(await generations(folder))) === current + 1) {
      await removeLower(folder, current)
      return server
    }
    await succeeds(unlink(own), 'ENOENT')
  }
  await new Promise((done) => server.close(done))
  return null
}

/** Creates the folder with generation 0 in it, in one step: renaming never replaces a folder that is not empty. */
async function makeFolder(path: string): Promise<void> {
  const folder = join(path, LOCK_FOLDER)
  if ((await succeeds(stat(folder), 'ENOENT')) && (await readdir(folder)).length > 0) return
  const prepared = join(path, `${PREPARED_LOCK_FOLDER}${randomBytes(6).toString('hex')}`)
  await mkdir(prepared, { mode: 0o700 })
  await writeFile(join(prepared, '0'), '')
  await syncDirectory(prepared)
  if (!(await succeeds(rename(prepared, folder), 'ENOTEMPTY', 'EEXIST'))) await rm(prepared, { recursive: true })
  await syncDirectory(path)
}

async function generations(folder: string): Promise<number[]> {
  return (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number)
}

/**
 * Removes the generations up to `highest`, the lowest first, and the leftovers of processes that died while they
 * started.
 */
async function removeLower(folder: string, highest: number): Promise<void> {
  const lower = (await generations(folder)).filter((generation) => generation <= highest).sort((a, b) => a - b)
  for (const generation of lower) await succeeds(unlink(join(folder, `${generation}`)), 'ENOENT')
  for (const name of await readdir(folder)) {
    if (name.startsWith(STARTING)) await succeeds(unlink(join(folder, name)), 'ENOENT')
  }
}

/**
 * Whether somebody listens on a socket file. A file that cannot be checked counts as alive; a file that is not a socket
 * is dead.
 */
function holderOf(path: string): Promise<'alive' | 'dead' | 'gone'> {
  return new Promise((done) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      done('alive')
    })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ENOTSOCK') done('dead')
      else done(code === 'ENOENT' ? 'gone' : 'alive')
    })
  })
}

/** Listens without keeping the process alive. */
function listen(path: string): Promise<Server> {
  return new Promise((done, failed) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', failed)
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      // A connection that cannot be accepted because file descriptors ran out does not concern the holder.
      server.on('error', () => {})
      done(server)
    })
  })
}

/**
 * Calls `use` with a path of the folder that is short enough for sockets: its own path, or a symbolic link that exists
 * during the call.
 */
async function withShortPath<T>(folder: string, use: (folder: string) => Promise<T>): Promise<T> {
  const longest = join(folder, `${STARTING}${'0'.repeat(12)}`)
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH_BYTES) return use(folder)
  const temporary = await mkdtemp(join(tmpdir(), 'epaxos-'))
  try {
    const short = join(temporary, 'l')
    await symlink(folder, short)
    return await use(short)
  } finally {
    await rm(temporary, { recursive: true })
  }
}

/** True if the operation succeeds, false if it fails with one of the codes. */
async function succeeds(operation: Promise<unknown>, ...codes: string[]): Promise<boolean> {
  try {
    await operation
    return true
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
