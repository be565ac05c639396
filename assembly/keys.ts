import { Instance, replicas } from './instance'
import { insert, remove } from './list'
import { allocate, clear, loadFree, release } from './memory'
import { Table, TABLE_BYTES } from './table'

// One record for each key that an indexed instance names. With three replicas a record is one cache line, as long as
// nobody reads the key.

/** Set in the address of a key: the instance writes it. */
export const WRITES: usize = 1

/**
 * Followed, per row, by the list of the unexecuted instances that write the key (4 bytes each) and the highest indexed
 * slot that writes it (8 bytes each).
 */
@unmanaged
export class Key {
  lo: u32
  hi: u32
  /** How often indexed instances name the key. */
  references: u32
  /**
   * 0, or the address of a block: per row the highest indexed slot that reads the key (8 bytes each), and the list of
   * the unexecuted readers (4 bytes each).
   */
  reads: usize
  /** Used and cleared by one query. */
  mark: u32
}

const table = changetype<Table>(memory.data(TABLE_BYTES, 8))
let highest: usize = 0
let keyBytes: usize = 0
let readBytes: usize = 0

export function openKeys(): void {
  table.open()
  highest = (offsetof<Key>() + (<usize>replicas << 2) + 7) & ~7
  keyBytes = max<usize>(64, highest + (<usize>replicas << 3))
  readBytes = <usize>replicas * 12
}

/** 0 if no indexed instance names the key. */
// @ts-ignore: decorator
@inline
export function findKey(lo: u32, hi: u32): usize {
  return table.find(lo, hi)
}

/** See {@link Table.bucketOf}. */
// @ts-ignore: decorator
@inline
export function bucketOfKey(tag: u32): usize {
  return table.bucketOf(tag)
}

export function addKey(lo: u32, hi: u32): usize {
  const block = allocate(keyBytes)
  clear(block, keyBytes)
  const key = changetype<Key>(block)
  key.lo = lo
  key.hi = hi
  table.add(block)
  return block
}

/** Loads the memory that the next `count` new keys will use. */
export function loadSpareKeys(count: u32): u32 {
  return loadFree(keyBytes, count)
}

// @ts-ignore: decorator
@inline
export function highestWrite(key: usize, row: u32): f64 {
  return load<f64>(key + highest + (<usize>row << 3))
}

/** With more than three replicas this lies on another cache line than the beginning of the record. */
// @ts-ignore: decorator
@inline
export function lastWord(key: usize): u32 {
  return load<u32>(key + highest + (<usize>(replicas - 1) << 3))
}

// @ts-ignore: decorator
@inline
export function highestRead(key: usize, row: u32): f64 {
  const reads = changetype<Key>(key).reads
  return reads ? load<f64>(reads + (<usize>row << 3)) : 0
}

// @ts-ignore: decorator
@inline
export function writesOf(key: usize, row: u32): usize {
  return load<u32>(writesPlace(key, row))
}

// @ts-ignore: decorator
@inline
export function readsOf(key: usize, row: u32): usize {
  return changetype<Key>(key).reads ? <usize>load<u32>(readsPlace(key, row)) : 0
}

/** The instance names the key: adds it to the index and, unless it cannot have edges, to the lists. */
export function refer(key: usize, x: Instance, writes: bool, ordered: bool): void {
  changetype<Key>(key).references += 1
  if (!writes && !changetype<Key>(key).reads) addReads(key)
  const high = writes ? key + highest + (<usize>x.row << 3) : changetype<Key>(key).reads + (<usize>x.row << 3)
  if (load<f64>(high) < x.slot) store<f64>(high, x.slot)
  if (ordered) insert(writes ? writesPlace(key, x.row) : readsPlace(key, x.row), x)
}

/** The instance has no more edges. */
// @ts-ignore: decorator
@inline
export function unlist(key: usize, x: Instance, writes: bool): void {
  remove(writes ? writesPlace(key, x.row) : readsPlace(key, x.row), x)
}

/** Removes the instance from the index. */
export function unrefer(key: usize, x: Instance, writes: bool): void {
  const high = writes ? key + highest + (<usize>x.row << 3) : changetype<Key>(key).reads + (<usize>x.row << 3)
  if (load<f64>(high) == x.slot) store<f64>(high, 0)
  const record = changetype<Key>(key)
  record.references -= 1
  if (record.references) return
  table.remove(key)
  if (record.reads) release(record.reads, readBytes)
  release(key, keyBytes)
}

function addReads(key: usize): void {
  const block = allocate(readBytes)
  clear(block, readBytes)
  changetype<Key>(key).reads = block
}

// @ts-ignore: decorator
@inline
function writesPlace(key: usize, row: u32): usize {
  return key + offsetof<Key>() + (<usize>row << 2)
}

// @ts-ignore: decorator
@inline
function readsPlace(key: usize, row: u32): usize {
  return changetype<Key>(key).reads + (<usize>replicas << 3) + (<usize>row << 2)
}
