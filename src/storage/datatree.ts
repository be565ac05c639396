/**
 * Checks the trees of an LMDB data file, page by page, without LMDB. LMDB trusts its pages, so an overwritten page ends
 * the process (by an assertion, or an address outside the map). Offsets are in bytes, numbers little-endian (struct
 * MDB_page_header, MDB_node, MDB_db and MDB_ovpage of lmdb's own mdb.c).
 */

export interface PageFile {
  /** In bytes. */
  readonly pageSize: number
  readonly lastPage: number
  /** The newest transaction: no page belongs to a later one. */
  readonly transaction: bigint
  /** A page of the file; zeros if the file does not have it. */
  read(page: number): Buffer
}

/**
 * Where a page has its number, its transaction, its kind, and the ends of its two regions: entry offsets grow from the
 * header, entries grow from the end of the page.
 */
const PageOffset = { number: 0, transaction: 8, flags: 18, lower: 20, upper: 22 } as const
const PAGE_HEADER_BYTES = 24
const BRANCH = 0x01
const LEAF = 0x02
const KIND = 0x2f

/**
 * An entry: 32 bits of size (or, with the flags above them, the number of the page below), flags, size of the key, key,
 * data.
 */
const NodeOffset = { size: 0, flags: 4, keyBytes: 6 } as const
const NODE_HEADER_BYTES = 8
/** The data is elsewhere, in a run of pages, or is the root of another tree. */
const BIG = 0x01
const TREE = 0x02
const BIG_BYTES = 24
const OVERFLOW_PAGES_OFFSET = 16

/** The size of the root of a tree in meta pages and entries. */
export const TREE_BYTES = 48
const TreeOffset = { depth: 6, root: 40 } as const
/** LMDB's mark for "no root": an empty tree. */
const NO_ROOT = 2n ** 64n - 1n

/** LMDB does not follow deeper trees. */
const MAX_DEPTH = 32

export class TreeCheck {
  readonly #file: PageFile
  /** A page belongs to one tree, at one place. */
  readonly #seen = new Set<bigint>()

  constructor(file: PageFile) {
    this.#file = file
  }

  /**
   * Walks a tree and the trees within it. Reads branch and leaf pages, but not the pages of large values.
   *
   * @param tree the root, of {@link TREE_BYTES}
   * @returns what is wrong, or null
   */
  damageIn(tree: Buffer): string | null {
    const root = tree.readBigUInt64LE(TreeOffset.root)
    const depth = tree.readUInt16LE(TreeOffset.depth)
    if (root === NO_ROOT) return depth === 0 ? null : 'an empty tree has pages'
    return depth > MAX_DEPTH ? 'a tree is too deep' : this.#inPage(root, depth)
  }

  /** Checks the page, which is `depth - 1` levels above its leaves, and everything below it. */
  #inPage(number: bigint, depth: number): string | null {
    if (depth < 1 || !this.#hasPages(number, 1n) || this.#seen.has(number))
      return `page ${number} cannot be where it is`
    this.#seen.add(number)
    const page = this.#file.read(Number(number))
    const kind = depth === 1 ? LEAF : BRANCH
    const lower = page.readUInt16LE(PageOffset.lower)
    const upper = page.readUInt16LE(PageOffset.upper)
    const room = page.length - PAGE_HEADER_BYTES
    const isPage =
      page.readBigUInt64LE(PageOffset.number) === number &&
      page.readBigUInt64LE(PageOffset.transaction) <= this.#file.transaction &&
      (page.readUInt16LE(PageOffset.flags) & KIND) === kind
    if (!isPage || lower < 2 || lower % 2 !== 0 || lower > upper || upper > room) return overwritten(number)
    for (let i = 0; i < lower; i += 2) {
      const start = page.readUInt16LE(PAGE_HEADER_BYTES + i)
      if (start < upper || start + NODE_HEADER_BYTES > room) return overwritten(number)
      const damage = this.#inNode(page, PAGE_HEADER_BYTES + start, number, depth)
      if (damage) return damage
    }
    return null
  }

  #inNode(page: Buffer, start: number, number: bigint, depth: number): string | null {
    const size = page.readUInt32LE(start + NodeOffset.size)
    const flags = page.readUInt16LE(start + NodeOffset.flags)
    const keyBytes = page.readUInt16LE(start + NodeOffset.keyBytes)
    const data = start + NODE_HEADER_BYTES + keyBytes
    const room = page.length - data
    if (depth > 1 && room >= 0) return this.#inPage(BigInt(size) | (BigInt(flags) << 32n), depth - 1)
    if (keyBytes === 0) return overwritten(number)
    if (flags === 0 && size <= room) return null
    if (flags === BIG && BIG_BYTES <= room && this.#isRun(page.subarray(data), size)) return null
    if (flags === TREE && size === TREE_BYTES && size <= room) return this.damageIn(page.subarray(data))
    return overwritten(number)
  }

  #isRun(data: Buffer, bytes: number): boolean {
    const pages = data.readBigUInt64LE(OVERFLOW_PAGES_OFFSET)
    return this.#hasPages(data.readBigUInt64LE(0), pages) && BigInt(bytes) <= pages * BigInt(this.#file.pageSize)
  }

  /** Whether the file has these pages, and none of them is a meta page. */
  #hasPages(first: bigint, count: bigint): boolean {
    return first >= 2n && count >= 1n && first + count - 1n <= BigInt(this.#file.lastPage)
  }
}

function overwritten(page: bigint): string {
  return `page ${page} was overwritten`
}
