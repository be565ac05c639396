import { open, type RootDatabase } from 'lmdb'
import { EpaxosError, ErrorCode } from '../errors.ts'

/** Address space for a data file, which LMDB maps as a whole: memory and disk are taken only for what is written. */
export const MAP_BYTES = 2 ** 36

/** What else a replica maps while it runs: LMDB's own tables, threads, the heap. */
const OTHER_BYTES = 2 ** 30

/** How long to wait for LMDB's reason for a failed commit: it comes after the rejection. */
const REASON_TIMEOUT_MS = 1000

/**
 * lmdb starts the transaction at the end of a turn, however many writes the turn gathers. (An lmdb option that is
 * missing from its types.)
 */
const ONE_TRANSACTION_PER_TURN = { txnStartThreshold: Number.MAX_SAFE_INTEGER }

/**
 * LMDB's error codes that mean damage: MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_VERSION_MISMATCH,
 * MDB_BAD_VALSIZE.
 */
const DAMAGE_CODES = new Set([-30796, -30797, -30793, -30794, -30781])

/** Opens an LMDB environment that another process may be writing. Only its lock file is written. */
export function openReadOnly(path: string): RootDatabase<Uint8Array, number> {
  return open({ path, noSubdir: false, mapSize: MAP_BYTES, encoding: 'binary', readOnly: true })
}

/**
 * Opens an LMDB environment in a directory that exists: bytes under numbers. The writes of one turn of the event loop
 * form one transaction with one sync; the promise of a write resolves when the data and the meta page are on the disk.
 * lmdb keeps a pointer to a value until then.
 */
export function openEnvironment(path: string): RootDatabase<Uint8Array, number> {
  return open({
    path,
    noSubdir: false,
    mapSize: MAP_BYTES,
    encoding: 'binary',
    overlappingSync: false,
    // Off, because lmdb's own gathering makes a promise that nobody can reach: on a full disk its rejection stays
    // unhandled.
    eventTurnBatching: false,
    ...ONE_TRANSACTION_PER_TURN,
  })
}

/**
 * LMDB ends the process when it cannot map its file. Throws an `EpaxosError` with code `resources`.
 *
 * @param what names the file
 */
export function checkAddressSpace(what: string, freeBytes: number): void {
  const needed = MAP_BYTES + OTHER_BYTES
  if (freeBytes >= needed) return
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  const why = `${what} needs ${gib(needed)} of address space, and the limit (ulimit -v) leaves ${gib(freeBytes)}`
  throw new EpaxosError(ErrorCode.resources, `${why}; it takes no memory for that: raise the limit or remove it`)
}

/** lmdb rejects a commit with a general error. It carries a promise whose rejection has the reason. */
export async function reasonOf(rejection: unknown): Promise<unknown> {
  const reason = (rejection as { commitError?: Promise<never> }).commitError
  if (!reason) return rejection
  const timeout = new Promise((resolve) => setTimeout(resolve, REASON_TIMEOUT_MS, rejection).unref())
  return Promise.race([reason.catch((error: unknown) => error), timeout])
}

/** The same bytes as a plain array over memory of its own. */
export function owned(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.length)
}

/** An error of LMDB or of the file system in our terms: `damaged` or `storage`. */
export function storageError(what: string, cause: unknown): EpaxosError {
  if (cause instanceof EpaxosError) return cause
  const { code, message } = cause as { code?: unknown; message?: string }
  const damaged = typeof code === 'number' && DAMAGE_CODES.has(code)
  return new EpaxosError(damaged ? ErrorCode.damaged : ErrorCode.storage, `${what}: ${message ?? cause}`, { cause })
}
