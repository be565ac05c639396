import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { TREE_BYTES, TreeCheck } from './datatree.ts'
import { MAP_BYTES } from './environment.ts'

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const META_FLAG = 0x08
const META_BYTES = 168

/**
 * Where the fields of a meta page are, in bytes from the start of the page (struct MDB_page_header and MDB_meta of
 * lmdb's own mdb.c).
 */
const Offset = {
  flags: 18,
  magic: 24,
  version: 28,
  freeTree: 48,
  pageSize: 48,
  mainTree: 96,
  lastPage: 144,
  transaction: 152,
} as const

interface Meta {
  readonly pageSize: number
  readonly lastPage: number
  readonly transaction: bigint
  /** The trees of free pages and of the databases. */
  readonly trees: readonly Buffer[]
}

/**
 * Checks an LMDB data file before LMDB maps it, because LMDB trusts what it maps: a page beyond the end of the file, or
 * an overwritten page, kills the process.
 *
 * It finds: an empty or foreign file, overwritten meta pages, another version's layout, and damaged pages of the trees.
 * A file that is shorter than its meta pages say is extended with zeros. It may be whole (LMDB does not write free
 * pages at the end); if it is not, the zeros are found as damage.
 *
 * It does not find: changed bytes within values (LMDB has no checksums; the records in the values have), within keys,
 * and within the lists of free pages. It does not read large values. It reads the pages with keys and small values
 * once, shortly before LMDB reads them.
 *
 * @param what the file is part of, for people
 * @param readOnly a file that is too short is not extended: it counts as damaged
 * @throws EpaxosError `damaged`
 */
export function checkDataFile(what: string, path: string, readOnly = false): void {
  const where = `The ${what} ${path}`
  const file = openSync(path, readOnly ? 'r' : 'r+')
  try {
    const first = readMeta(file, 0, where)
    const second = readMeta(file, first.pageSize, where)
    if (second.pageSize !== first.pageSize) throw damaged(where, 'its meta pages contradict each other')
    const newest = first.transaction > second.transaction ? first : second
    const bytes = (Math.max(first.lastPage, second.lastPage) + 1) * first.pageSize
    // Nothing so large was ever mapped; extending the file to it fails, or fills the disk.
    if (bytes > MAP_BYTES) throw damaged(where, `its meta pages say that it has ${bytes} bytes`)
    const isShort = fstatSync(file).size < bytes
    if (isShort && readOnly)
      throw damaged(where, 'it is cut off; a start of the replica tells whether it lacks anything')
    if (isShort) {
      ftruncateSync(file, bytes)
      fsyncSync(file)
    }
    const { pageSize } = newest
    const check = new TreeCheck({ ...newest, read: (page) => read(file, page * pageSize, pageSize) })
    for (const tree of newest.trees) {
      const damage = check.damageIn(tree)
      if (damage) throw damaged(where, damage)
    }
  } finally {
    closeSync(file)
  }
}

function readMeta(file: number, position: number, where: string): Meta {
  const page = read(file, position, META_BYTES)
  const magic = page.readUInt32LE(Offset.magic)
  if (magic !== MAGIC || (page.readUInt16LE(Offset.flags) & META_FLAG) === 0)
    throw damaged(where, 'it has no meta page')
  const version = page.readUInt32LE(Offset.version) & 0xffff
  if (version !== DATA_VERSION) throw damaged(where, `its layout has version ${version}, not ${DATA_VERSION}`)
  const pageSize = page.readUInt32LE(Offset.pageSize)
  const lastPage = Number(page.readBigUInt64LE(Offset.lastPage))
  const isPageSize = pageSize >= 512 && pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0
  if (!isPageSize || lastPage < 1 || lastPage * pageSize > Number.MAX_SAFE_INTEGER) {
    throw damaged(where, 'its meta page makes no sense')
  }
  const trees = [Offset.freeTree, Offset.mainTree].map((offset) => page.subarray(offset, offset + TREE_BYTES))
  return { pageSize, lastPage, transaction: page.readBigUInt64LE(Offset.transaction), trees }
}

/** Reads `bytes` bytes from a position on; zeros beyond the end of the file. */
function read(file: number, position: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  readSync(file, buffer, 0, bytes, position)
  return buffer
}

function damaged(where: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `${where} is damaged: ${what}`)
}
