import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { freeAddressSpace } from '../system/limits.ts'
import { SealedReader } from './checkpoint-reader.ts'
import type { CheckpointReader } from './checkpoints.ts'
import { checkDataFile } from './datafile.ts'
import { CHECKPOINTS, type IdentityFile, JOURNAL, readIdentity } from './directory.ts'
import { checkAddressSpace, openReadOnly, owned, storageError } from './environment.ts'
import { isLocked } from './lock.ts'

/**
 * A data directory that is only read, also while a replica uses it. Its data files are not written, nor is its lock
 * taken. What is read of a running replica is as of some moment.
 */
export class InspectedDirectory {
  readonly path: string
  readonly identity: IdentityFile
  /** A replica that is running uses the directory. */
  readonly inUse: boolean
  readonly #environments: RootDatabase<Uint8Array, number>[] = []

  private constructor(path: string, identity: IdentityFile, inUse: boolean) {
    this.path = path
    this.identity = identity
    this.inUse = inUse
  }

  /** Rejects with an `EpaxosError`: `foreign_directory` if it is no data directory, or `storage`. */
  static async open(directory: string): Promise<InspectedDirectory> {
    const path = resolve(directory)
    let identity: IdentityFile | null
    try {
      identity = await readIdentity(path)
    } catch (error) {
      throw storageError(`${path} cannot be read`, error)
    }
    if (identity === null) throw new EpaxosError(ErrorCode.foreignDirectory, `${path} is not the data of a replica`)
    return new InspectedDirectory(path, identity, await isLocked(path))
  }

  /** The values of the journal in order, whatever is missing between them. Throws `damaged`, `storage`, `resources`. */
  *journal(): Iterable<{ readonly number: number; readonly value: Uint8Array }> {
    const environment = this.#open('journal', join(this.path, JOURNAL))
    try {
      const values = environment.openDB<Uint8Array, number>('journal', { encoding: 'binary', useVersions: true })
      for (const { key, value } of values.getRange({ start: 1 })) yield { number: key, value: owned(value) }
    } catch (error) {
      throw storageError(`The journal of ${this.path} cannot be read`, error)
    }
  }

  /** The numbers of the whole checkpoints, ascending. */
  get checkpoints(): readonly number[] {
    const folder = join(this.path, CHECKPOINTS)
    const names = existsSync(folder) ? readdirSync(folder) : []
    return names.flatMap((name) => (/^[1-9]\d*$/.test(name) ? [Number(name)] : [])).sort((a, b) => a - b)
  }

  /** Throws `damaged` if its seal cannot be read, `storage`, or `resources`. */
  checkpoint(number: number): CheckpointReader {
    const path = join(this.path, CHECKPOINTS, String(number))
    const environment = this.#open('checkpoint', path)
    const file = {
      read: (key: number) => {
        const record = environment.get(key)
        return record ? owned(record) : null
      },
    }
    return new SealedReader(number, file, path, () => {})
  }

  async close(): Promise<void> {
    await Promise.all(this.#environments.map((environment) => environment.close()))
  }

  #open(what: string, path: string): RootDatabase<Uint8Array, number> {
    const dataFile = join(path, 'data.mdb')
    checkAddressSpace(`the ${what}`, freeAddressSpace())
    if (!existsSync(dataFile)) throw new EpaxosError(ErrorCode.damaged, `${dataFile} is gone`)
    try {
      // A replica has checked its files at its start, and changes them now.
      if (!this.inUse) checkDataFile(what, dataFile, true)
      const environment = openReadOnly(path)
      this.#environments.push(environment)
      return environment
    } catch (error) {
      throw storageError(`The ${what} ${path} cannot be opened`, error)
    }
  }
}
