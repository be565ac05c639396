import { open } from 'node:fs/promises'
import { EpaxosError, ErrorCode } from '../errors.ts'

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const META_FLAG = 0x08
const META_BYTES = 168
/** LMDB's mark for "no root": an empty tree. */
const NO_PAGE = 2n ** 64n - 1n

/** Where the fields of a meta page lie, in bytes from the page's start (struct MDB_page_header and MDB_meta of lmdb's own mdb.c). */
const Offset = { flags: 18, magic: 24, version: 28, pageSize: 48, freeRoot: 88, mainRoot: 136, lastPage: 144 } as const

/**
 * Looks at an LMDB data file before LMDB maps it, because LMDB trusts what it maps: a page beyond the end of the file kills the process
 * (SIGBUS), a foreign file is an assertion.
 *
 * Found here: an empty or foreign file, a file cut off inside its meta pages, meta pages that were overwritten, another version's layout. A file that
 * is shorter than its meta pages say is made as long again, with zeros: it may be whole (LMDB never writes free pages at the end), and if it is not,
 * the zeros are found as damage, by LMDB in its tree and by the records' checksums in the values, instead of killing the process.
 *
 * Not found here: bytes that changed inside a page of the tree. LMDB has no checksums of its own; values are protected by those of the records in them.
 *
 * @throws EpaxosError `damaged`
 */
export async function checkDataFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const head = Buffer.alloc(META_BYTES)
    await file.read(head, 0, META_BYTES, 0)
    const first = metaPage(head, path)
    await file.read(head.fill(0), 0, META_BYTES, first.pageSize)
    const second = metaPage(head, path)
    if (second.pageSize !== first.pageSize) throw damaged(path, 'its meta pages contradict each other')
    const bytes = (Math.max(first.lastPage, second.lastPage) + 1) * first.pageSize
    if (size < bytes) {
      await file.truncate(bytes)
      await file.sync()
    }
  } finally {
    await file.close()
  }
}

function metaPage(page: Buffer, path: string): { pageSize: number; lastPage: number } {
  const magic = page.readUInt32LE(Offset.magic)
  if (magic !== MAGIC || (page.readUInt16LE(Offset.flags) & META_FLAG) === 0) throw damaged(path, 'it has no meta page')
  const version = page.readUInt32LE(Offset.version) & 0xffff
  if (version !== DATA_VERSION) throw damaged(path, `its layout has version ${version}, not ${DATA_VERSION}`)
  const pageSize = page.readUInt32LE(Offset.pageSize)
  const lastPage = Number(page.readBigUInt64LE(Offset.lastPage))
  const sound =
    pageSize >= 512 &&
    pageSize <= 65536 &&
    (pageSize & (pageSize - 1)) === 0 &&
    lastPage >= 1 &&
    lastPage * pageSize < Number.MAX_SAFE_INTEGER &&
    isPage(page.readBigUInt64LE(Offset.freeRoot), lastPage) &&
    isPage(page.readBigUInt64LE(Offset.mainRoot), lastPage)
  if (!sound) throw damaged(path, 'its meta page makes no sense')
  return { pageSize, lastPage }
}

function isPage(root: bigint, lastPage: number): boolean {
  return root === NO_PAGE || (root >= 2n && root <= BigInt(lastPage))
}

function damaged(path: string, what: string): EpaxosError {
  return new EpaxosError(ErrorCode.damaged, `The journal ${path} is damaged: ${what}`)
}
