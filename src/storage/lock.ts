import { randomBytes } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { syncDirectory } from './files.ts'

/** The folder of the lock's generations, and how folders begin that were prepared to become it. */
export const LOCK_FOLDER = 'lock'
export const PREPARED_LOCK_FOLDER = '.lock-'

/** How the names of sockets begin that have no generation yet. */
const STARTING = 'starting-'

/** The shortest limit among the platforms for the path of a socket is 104 bytes, its end included. */
const MAX_SOCKET_PATH_BYTES = 103

/** Each round of acquiring is spoilt only by another process that moved forward: so many in a row do not happen. */
const MAX_ROUNDS = 100

/**
 * The exclusive use of a directory, for as long as this process lives.
 *
 * Node has no file locks, and a file with a process id in it cannot be trusted: ids are used again, and differ between containers. What the kernel does
 * keep exactly is whether anybody listens on a Unix socket: a connection to its file succeeds while the process that listens lives, stopped or not, and
 * is refused from the moment it is dead, also after kill -9 and after a restart of the machine. So the lock is a socket file that is listened on; it works
 * across containers that share the directory, and within one process.
 *
 * Taking over a dead lock must not race. Lock files are numbered generations, `lock/1`, `lock/2`, …; a number is taken with link(2), of a socket that
 * already listens, so exactly one process gets it and nobody ever sees it not listening:
 * 1. Find the highest generation g. If somebody listens: locked.
 * 2. Link the own socket as g + 1. If it exists: go to 1.
 * 3. If g is gone, or a higher one than the own is there, another was faster: give the own up, go to 1. Otherwise the lock is held.
 * 4. Remove the lower generations, the lowest first. The own stays for ever, as the g of the next.
 *
 * Why 3 is enough: g is removed only by a holder of a later generation, and before g + 1 is. So if link succeeds because an earlier
 * g + 1 was removed, then g was removed before. The folder is made, by renaming, with a generation 0 in it that nobody listens on.
 *
 * Limits: it does not see processes on other machines (network file systems), and refuses directories on file systems without sockets and hard links.
 */
export class DirectoryLock {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** @throws EpaxosError `locked` while another holds it, `storage` where the directory cannot be locked */
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

/** Steps 2 to 4: null when another process was faster. */
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

/** Creates the folder with generation 0 in it, in one step: renaming replaces no folder that has something in it. */
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

/** Removes the generations up to `highest`, the lowest first, and what processes left that died while they started. */
async function removeLower(folder: string, highest: number): Promise<void> {
  const lower = (await generations(folder)).filter((generation) => generation <= highest).sort((a, b) => a - b)
  for (const generation of lower) await succeeds(unlink(join(folder, `${generation}`)), 'ENOENT')
  for (const name of await readdir(folder)) {
    if (name.startsWith(STARTING)) await succeeds(unlink(join(folder, name)), 'ENOENT')
  }
}

/** Whether somebody listens on a socket file. What cannot be asked counts as alive; a file that is no socket is dead. */
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
      // A connection that cannot be accepted, for want of file descriptors, is none of the holder's business.
      server.on('error', () => {})
      done(server)
    })
  })
}

/** Calls `use` with a path of the folder that is short enough for sockets: itself, or a symbolic link to it for the time of the call. */
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

/** True when the operation succeeds, false when it fails with one of the codes. */
async function succeeds(operation: Promise<unknown>, ...codes: string[]): Promise<boolean> {
  try {
    await operation
    return true
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
