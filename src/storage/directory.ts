import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { syncDirectory, UNFINISHED, writeAtomically } from './files.ts'
import { LmdbJournal } from './lmdb.ts'
import { DirectoryLock, LOCK_FOLDER, PREPARED_LOCK_FOLDER } from './lock.ts'
import { DiskSpace } from './space.ts'

const IDENTITY_FILE = 'identity.json'
/** The id of an owner that is no member yet. */
export const JOINER = -1

export const JOURNAL = 'journal'
export const CHECKPOINTS = 'checkpoints'
/** The journal of a directory that has no identity yet. */
const NEW_JOURNAL = '.new-journal'

/** A file in a directory that is being restored. With it no replica starts there, and a restore may begin again. */
const RESTORING = 'restoring'

const REMOVE = { recursive: true, force: true } as const

/** The owner of the data in a directory. */
export interface Owner {
  /** The cluster's name. */
  readonly cluster: string
  /** The replica, counted from 0; negative for one that was started to join. */
  readonly id: number
  /** How many replicas the cluster has. */
  readonly replicas: number
  /** The version of everything that is written into the directory. */
  readonly formatVersion: number
}

export interface IdentityFile extends Owner {
  /** 16 random bytes, in hexadecimal. */
  readonly incarnation: string
  /** The digest of the backup that the directory was made from, hexadecimal; absent if it began empty. */
  readonly origin?: string
  /** Of a directory that was renewed: its first owner, whose command line stays good. */
  readonly before?: Pick<Owner, 'id' | 'replicas'>
  readonly returning?: Returning
  /** What it held of the replica that was removed is not gone yet. */
  readonly renewing?: boolean
}

/** A replica that was removed because it stayed away, and comes back as a new member. */
export interface Returning {
  /** Its id before. */
  readonly id: number
  /** Id and address, `HOST:PORT`, of those who were members when it left. */
  readonly members: readonly (readonly [number, string])[]
}

/**
 * The directory that holds all that one replica keeps: its identity, its lock (lock.ts) and its journal (lmdb.ts).
 *
 * The directory's incarnation is drawn when it is made and never again: a replica whose identity or journal is lost
 * must not vote under its old name (protocol.md §9), so a directory that has one without the other is refused. The two
 * come into being together: the journal is made under another name, the identity is written, the journal gets its name;
 * whatever moment a crash comes at, the next start finishes it or begins again.
 */
export class DataDirectory {
  /** 16 random bytes, made with the directory. */
  readonly incarnation: Uint8Array
  readonly path: string
  /** See {@link IdentityFile}; null if it began empty. */
  readonly origin: string | null
  /** Null unless it was renewed. */
  readonly returning: Returning | null
  readonly #lock: DirectoryLock

  private constructor(path: string, { incarnation, origin, returning }: IdentityFile, lock: DirectoryLock) {
    this.path = path
    this.returning = returning ?? null
    this.incarnation = Buffer.from(incarnation, 'hex')
    this.origin = origin ?? null
    this.#lock = lock
  }

  /**
   * Opens and locks the directory, or makes it, readable by this user only.
   *
   * @throws EpaxosError `locked` while a process uses it; `foreign_directory` where it belongs to another cluster,
   *   replica or format, or is not ours at all; `damaged` where its journal is gone; `storage` where it cannot be read
   *   or written
   */
  static async open(directory: string, owner: Owner): Promise<DataDirectory> {
    const path = resolve(directory)
    let lock: DirectoryLock | null = null
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await refuseForeign(path)
      lock = await DirectoryLock.acquire(path)
      const identity = (await readIdentity(path)) ?? (await create(path, owner))
      compare(path, identity, owner)
      if (identity.renewing) await finishRenewal(path, identity)
      await finishCreation(path)
      return new DataDirectory(path, identity, lock)
    } catch (error) {
      await lock?.release()
      throw unusable(path, error)
    }
  }

  /**
   * Makes a directory that begins with a checkpoint: that of a new member, which is restored from a backup. `fill`
   * writes the checkpoint into the store at the path that it gets. Until all of it is done, no replica starts on the
   * directory, because it would begin empty; after a failure or a crash this is called again.
   *
   * @param origin the digest of the backup
   * @param bytes about what `fill` writes
   * @throws EpaxosError `exists` if the directory is not empty, what `fill` throws, `locked`, `storage`, or `disk_full`
   */
  static async restore(
    directory: string,
    owner: Owner,
    origin: string,
    bytes: number,
    fill: (checkpoints: string) => Promise<void>,
  ): Promise<void> {
    const path = resolve(directory)
    let lock: DirectoryLock | null = null
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await refuseUsed(path)
      // LMDB calls a full disk an error of input and output.
      const free = await (await DiskSpace.of(path)).free()
      if (free < bytes) throw full(path, `${bytes} bytes are needed, and ${free} are free`)
      lock = await DirectoryLock.acquire(path)
      await writeAtomically(join(path, RESTORING), '')
      for (const name of [IDENTITY_FILE, JOURNAL, CHECKPOINTS]) await rm(join(path, name), REMOVE)
      await fill(join(path, CHECKPOINTS))
      await create(path, owner, origin)
      await finishCreation(path)
      await rm(join(path, RESTORING))
      await syncDirectory(path)
    } catch (error) {
      throw unusable(path, error)
    } finally {
      await lock?.release()
    }
  }

  /**
   * Empties the directory of a replica that was removed because it stayed away, for the new member that it becomes:
   * with another incarnation. The command line stays good. Close the journal and the checkpoints first; only
   * {@link close} may follow. After a crash in the middle {@link open} finishes it.
   *
   * @throws EpaxosError `storage` or `disk_full`
   */
  async renew(returning: Returning): Promise<void> {
    const { path } = this
    try {
      const { origin, ...old } = (await readIdentity(path)) as IdentityFile
      const before = old.before ?? { id: old.id, replicas: old.replicas }
      const incarnation = newIncarnation()
      const identity = { ...old, id: JOINER, replicas: 0, incarnation, before, returning, renewing: true }
      await writeIdentity(path, identity)
      await finishRenewal(path, identity)
      await finishCreation(path)
    } catch (error) {
      throw unusable(path, error)
    }
  }

  /** The path for `LmdbJournal.open`. */
  get journalPath(): string {
    return join(this.path, JOURNAL)
  }

  /** The path for `openCheckpoints`. */
  get checkpointsPath(): string {
    return join(this.path, CHECKPOINTS)
  }

  /** Lets other processes use the directory. Close the journal first. */
  async close(): Promise<void> {
    await this.#lock.release()
  }
}

/** Checks, before anything is written, that a directory without an identity only holds files of ours. */
async function refuseForeign(path: string): Promise<void> {
  const names = await readdir(path)
  if (names.includes(RESTORING)) throw foreign(path, 'was not restored to the end: run epaxos restore again')
  if (names.includes(IDENTITY_FILE)) return
  const ours = (name: string) =>
    [LOCK_FOLDER, JOURNAL, NEW_JOURNAL, 'lost+found'].includes(name) ||
    name.startsWith(PREPARED_LOCK_FOLDER) ||
    name.startsWith(UNFINISHED)
  const other = names.find((name) => !ours(name))
  if (other !== undefined) throw foreign(path, `is not empty and not a replica's: it contains ${other}`)
}

/** Null if the directory has none. Throws an `EpaxosError` with code `foreign_directory` if it is damaged. */
export async function readIdentity(path: string): Promise<IdentityFile | null> {
  const file = join(path, IDENTITY_FILE)
  if (!(await exists(file))) return null
  const text = await readFile(file, 'utf8')
  let identity: Partial<Record<keyof IdentityFile, unknown>> | null
  try {
    identity = JSON.parse(text)
  } catch {
    identity = null
  }
  if (!isIdentity(identity)) throw foreign(path, `has a damaged ${IDENTITY_FILE}`)
  return identity
}

function isIdentity(value: Partial<Record<keyof IdentityFile, unknown>> | null): value is IdentityFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof value.cluster === 'string' &&
    Number.isSafeInteger(value.id) &&
    Number.isSafeInteger(value.replicas) &&
    Number.isSafeInteger(value.formatVersion) &&
    typeof value.incarnation === 'string' &&
    /^[0-9a-f]{32}$/.test(value.incarnation) &&
    (value.origin === undefined || (typeof value.origin === 'string' && /^[0-9a-f]{64}$/.test(value.origin))) &&
    (value.before === undefined || isBefore(value.before)) &&
    (value.returning === undefined || isReturning(value.returning)) &&
    (value.renewing === undefined || value.renewing === true)
  )
}

function isBefore(value: unknown): boolean {
  const { id, replicas } = (value ?? {}) as Record<string, unknown>
  return Number.isSafeInteger(id) && Number.isSafeInteger(replicas)
}

function isReturning(value: unknown): value is Returning {
  const { id, members } = (value ?? {}) as Record<string, unknown>
  const isMember = (one: unknown) =>
    Array.isArray(one) && one.length === 2 && Number.isSafeInteger(one[0]) && typeof one[1] === 'string'
  return Number.isSafeInteger(id) && Array.isArray(members) && members.every(isMember)
}

/** Checks, before anything is written, that nobody has used the directory: at most, a restore was not finished. */
async function refuseUsed(path: string): Promise<void> {
  const isEmpty = (name: string) => [LOCK_FOLDER, 'lost+found'].includes(name) || name.startsWith(PREPARED_LOCK_FOLDER)
  const names = await readdir(path)
  const used = names.find((name) => !isEmpty(name))
  if (used === undefined || names.includes(RESTORING)) return
  throw new EpaxosError(ErrorCode.exists, `${path} is not empty: it contains ${used}; restore into a new directory`)
}

async function create(path: string, owner: Owner, origin?: string): Promise<IdentityFile> {
  const { cluster, id, replicas, formatVersion } = owner
  if (await exists(join(path, JOURNAL))) {
    throw foreign(path, `has a journal but no ${IDENTITY_FILE}: a replica that lost its identity must not vote again`)
  }
  const journal = join(path, NEW_JOURNAL)
  await rm(journal, REMOVE)
  await (await LmdbJournal.open(journal)).close()
  const incarnation = newIncarnation()
  const identity = { cluster, id, replicas, formatVersion, incarnation, ...(origin === undefined ? {} : { origin }) }
  await writeIdentity(path, identity)
  return identity
}

/** What the replica that was removed had goes, and a new journal is made. */
async function finishRenewal(path: string, { renewing, ...identity }: IdentityFile): Promise<void> {
  for (const name of [JOURNAL, CHECKPOINTS, NEW_JOURNAL]) await rm(join(path, name), REMOVE)
  await (await LmdbJournal.open(join(path, NEW_JOURNAL))).close()
  await writeIdentity(path, identity)
}

function newIncarnation(): string {
  return randomBytes(16).toString('hex')
}

async function writeIdentity(path: string, identity: IdentityFile): Promise<void> {
  await writeAtomically(join(path, IDENTITY_FILE), `${JSON.stringify(identity, null, 2)}\n`)
}

/** Gives the journal its name, unless it has it. */
async function finishCreation(path: string): Promise<void> {
  if (await exists(join(path, JOURNAL, 'data.mdb'))) return
  if (!(await exists(join(path, NEW_JOURNAL)))) {
    const message = `The journal of ${path} is gone: a replica that lost its votes must not vote again`
    throw new EpaxosError(ErrorCode.damaged, message)
  }
  await rename(join(path, NEW_JOURNAL), join(path, JOURNAL))
  await syncDirectory(path)
}

function compare(path: string, identity: IdentityFile, owner: Owner): void {
  if (identity.formatVersion > owner.formatVersion) {
    const versions = `format ${identity.formatVersion}, this program reads ${owner.formatVersion}`
    throw foreign(path, `was written by a newer version (${versions})`)
  }
  if (identity.formatVersion < owner.formatVersion) {
    throw foreign(path, `has the old format ${identity.formatVersion}, this program reads ${owner.formatVersion}`)
  }
  if (identity.cluster !== owner.cluster)
    throw foreign(path, `belongs to cluster ${identity.cluster}, not ${owner.cluster}`)
  const { before } = identity
  if (before?.id === owner.id && before.replicas === owner.replicas) return
  if (identity.id !== owner.id)
    throw foreign(path, `belongs to ${named(identity)}, not ${owner.id < 0 ? named(owner) : owner.id}`)
  if (identity.replicas !== owner.replicas) {
    throw foreign(path, `belongs to a cluster of ${identity.replicas} replicas, not ${owner.replicas}`)
  }
}

/** A joiner has no id when its directory is made, and keeps the directory. */
function named({ id }: Owner): string {
  return id < 0 ? 'a replica that was started to join' : `replica ${id}`
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function full(path: string, why: string): EpaxosError {
  return new EpaxosError(ErrorCode.diskFull, `The disk of ${path} is full: ${why}`)
}

function unusable(path: string, error: unknown): EpaxosError {
  if (error instanceof EpaxosError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return full(path, message)
  return new EpaxosError(ErrorCode.storage, `The data directory ${path} cannot be used: ${message}`, { cause: error })
}

function foreign(path: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.foreignDirectory, `The data directory ${path} ${what}`)
}
