import { existsSync, mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { freeAddressSpace } from '../system/limits.ts'
import type { NumberedRecord, RecordFile, RecordFiles } from './checkpoint-files.ts'
import { FileCheckpoints } from './checkpoint-store.ts'
import type { CheckpointOrigin, CheckpointStore } from './checkpoints.ts'
import { checkDataFile } from './datafile.ts'
import { checkAddressSpace, openEnvironment, owned, reasonOf, storageError } from './environment.ts'
import { syncDirectory } from './files.ts'

/** The prefix of a checkpoint that is not whole. */
const UNFINISHED = '.unfinished-'

/**
 * Opens the checkpoints in `directory`, and creates it if it does not exist. Each checkpoint is an LMDB environment of
 * its own, in a folder of its own: the writer of the journal never waits for it, and its space is free as soon as the
 * folder is removed. A folder has a number as its name when its checkpoint is whole, and not before.
 *
 * The caller holds the lock of the data directory (lock.ts).
 *
 * @throws EpaxosError `storage` if it cannot be read or created
 */
export async function openCheckpoints(directory: string): Promise<CheckpointStore> {
  const path = resolve(directory)
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const names = await readdir(path)
    const unfinished = names.filter((name) => name.startsWith(UNFINISHED))
    await Promise.all(unfinished.map((name) => rm(join(path, name), { recursive: true })))
    await syncDirectory(dirname(path))
    return new FileCheckpoints(new Folders(path, names), path)
  } catch (error) {
    throw storageError(`The checkpoints in ${path} cannot be opened`, error)
  }
}

function nameOf({ giver, number }: CheckpointOrigin): string {
  return `received-${giver}-${number}`
}

/** Null for another name. */
function originOf(name: string): CheckpointOrigin | null {
  const [, giver, number] = /^received-(\d+)-(\d+)$/.exec(name) ?? []
  return giver === undefined ? null : { giver: Number(giver), number: Number(number) }
}

class Folders implements RecordFiles {
  readonly #path: string
  readonly #whole: Set<number>
  #received: CheckpointOrigin | null

  constructor(path: string, names: readonly string[]) {
    this.#path = path
    this.#whole = new Set(names.filter((name) => /^[1-9]\d*$/.test(name)).map(Number))
    this.#received = names.map(originOf).find((origin) => origin !== null) ?? null
  }

  get whole(): readonly number[] {
    return [...this.#whole].sort((a, b) => a - b)
  }

  create(number: number): RecordFile {
    const path = this.#unfinished(number)
    try {
      mkdirSync(path, { mode: 0o700 })
      return new Environment(path)
    } catch (error) {
      throw storageError(`The checkpoint ${path} cannot be created`, error)
    }
  }

  open(number: number): RecordFile {
    const path = this.#finished(number)
    const dataFile = join(path, 'data.mdb')
    try {
      if (!existsSync(dataFile)) throw new EpaxosError(ErrorCode.damaged, `${dataFile} is gone`)
      checkDataFile('checkpoint', dataFile)
      return new Environment(path)
    } catch (error) {
      throw storageError(`The checkpoint ${path} cannot be opened`, error)
    }
  }

  async makeWhole(number: number): Promise<void> {
    try {
      await syncDirectory(this.#unfinished(number))
      await rename(this.#unfinished(number), this.#finished(number))
      await syncDirectory(this.#path)
      this.#whole.add(number)
    } catch (error) {
      throw storageError(`The checkpoint ${this.#finished(number)} cannot be finished`, error)
    }
  }

  async remove(number: number): Promise<void> {
    const path = this.#whole.delete(number) ? this.#finished(number) : this.#unfinished(number)
    await rm(path, { recursive: true }).catch(() => {})
  }

  get received(): CheckpointOrigin | null {
    return this.#received
  }

  openReceived(origin: CheckpointOrigin): RecordFile {
    const path = join(this.#path, nameOf(origin))
    const dataFile = join(path, 'data.mdb')
    this.#received = origin
    try {
      mkdirSync(path, { mode: 0o700, recursive: true })
      if (existsSync(dataFile)) checkDataFile('received checkpoint', dataFile)
      return new Environment(path)
    } catch (error) {
      throw storageError(`The checkpoint ${path} cannot be received`, error)
    }
  }

  async removeReceived(): Promise<void> {
    const origin = this.#received
    this.#received = null
    if (origin !== null) await rm(join(this.#path, nameOf(origin)), { recursive: true }).catch(() => {})
  }

  #unfinished(number: number): string {
    return join(this.#path, `${UNFINISHED}${number}`)
  }

  #finished(number: number): string {
    return join(this.#path, `${number}`)
  }
}

class Environment implements RecordFile {
  readonly #path: string
  readonly #records: RootDatabase<Uint8Array, number>
  #closing: Promise<void> | null = null

  constructor(path: string) {
    checkAddressSpace('a checkpoint', freeAddressSpace())
    this.#path = path
    this.#records = openEnvironment(path)
  }

  async write(records: readonly NumberedRecord[]): Promise<void> {
    try {
      // All of one turn are one transaction.
      await Promise.all(records.map(({ key, record }) => this.#records.put(key, record)))
    } catch (error) {
      throw storageError(`The checkpoint ${this.#path} cannot be written`, await reasonOf(error))
    }
  }

  read(key: number): Uint8Array | null {
    // LMDB's memory disappears with the environment: reading it would end the process.
    if (this.#closing !== null) throw new EpaxosError(ErrorCode.closed, `The checkpoint ${this.#path} is closed`)
    try {
      const record = this.#records.get(key)
      return record ? owned(record) : null
    } catch (error) {
      throw storageError(`The checkpoint ${this.#path} cannot be read`, error)
    }
  }

  get last(): number {
    for (const key of this.#records.getKeys({ reverse: true, limit: 1 })) return key
    return -1
  }

  close(): Promise<void> {
    this.#closing ??= this.#records.close()
    return this.#closing
  }
}
