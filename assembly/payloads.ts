import { findLoaded, GROUP, hi, lo, loadGroup, loadKeysAt, loadLeavingAt } from './ahead'
import {
  addInstance,
  dropInstance,
  EVERYTHING,
  EXECUTED,
  findInstance,
  Instance,
  KNOWN,
  NOOP,
  releaseKeys,
  replicas,
  reserveKeys,
} from './instance'
import { addKey, highestRead, highestWrite, Key, refer, unlist, unrefer, WRITES } from './keys'
import { insert, remove } from './list'
import { advanceKnown, barriersPlace, indexedPlace, rowAt, unexecutedPlace } from './rows'

// Payloads: the conflict index, and the lists of instances that can still give edges.

const EVERYTHING_BIT: u32 = 0x8000_0000

/** Raises the vector at `result` to what interferes with the footprint at `words`; enters the instance if it is new. */
export function enterPayload(row: u32, slot: f64, words: usize, keys: u32, result: usize): void {
  const header = load<u32>(words)
  const everything = (header & EVERYTHING_BIT) != 0
  if (result) startVector(result, everything)
  let record = findInstance(row, slot)
  const fresh = slot > rowAt(row).floor && !(record && changetype<Instance>(record).flags & KNOWN)
  if (fresh && !record) record = changetype<usize>(addInstance(row, slot))
  const x = changetype<Instance>(record)
  if (fresh) enterRow(x, everything)
  if (!everything) {
    if (fresh) reserveKeys(x, keys)
    enterKeys(x, fresh, words + 4, header, keys, result)
  }
  if (fresh) advanceKnown(row)
}

function startVector(result: usize, everything: bool): void {
  for (let row: u32 = 0; row < replicas; ++row) {
    const state = rowAt(row)
    store<f64>(result + (row << 3), everything ? state.highest : state.highestBarrier)
  }
}

function enterRow(x: Instance, everything: bool): void {
  const row = rowAt(x.row)
  x.flags |= everything ? KNOWN | EVERYTHING : KNOWN
  row.highest = max(row.highest, x.slot)
  insert(indexedPlace(x.row), x)
  if (everything) row.highestBarrier = max(row.highestBarrier, x.slot)
  if (x.flags & (NOOP | EXECUTED)) return
  insert(unexecutedPlace(x.row), x)
  if (everything) insert(barriersPlace(x.row), x)
}

function enterKeys(x: Instance, fresh: bool, lanes: usize, writes: u32, keys: u32, result: usize): void {
  for (let first: u32 = 0; first < keys; first += GROUP) {
    const at = lanes + (<usize>first << 3)
    const count = min(keys - first, GROUP)
    loadGroup(at, count)
    for (let i: u32 = 0; i < count; ++i) {
      enterKey(x, fresh, i, lo(at, i), hi(at, i), first + i, first + i < writes, result)
    }
  }
}

// @ts-ignore: decorator
@inline
function enterKey(
  x: Instance,
  fresh: bool,
  loaded: u32,
  lo: u32,
  hi: u32,
  index: u32,
  writes: bool,
  result: usize,
): void {
  let key = findLoaded(loaded, lo, hi)
  if (key) {
    if (result) raise(result, key, writes)
  } else {
    if (!fresh) return
    key = addKey(lo, hi)
  }
  if (!fresh) return
  refer(key, x, writes, !(x.flags & (NOOP | EXECUTED)))
  store<u32>(x.keys + (<usize>index << 2), <u32>(writes ? key | WRITES : key))
}

// @ts-ignore: decorator
@inline
function raise(result: usize, key: usize, writes: bool): void {
  for (let row: u32 = 0; row < replicas; ++row) {
    const place = result + (row << 3)
    if (highestWrite(key, row) > load<f64>(place)) store<f64>(place, highestWrite(key, row))
    if (writes && highestRead(key, row) > load<f64>(place)) store<f64>(place, highestRead(key, row))
  }
}

/** Writes the footprint of the instance, without the keys of one that interferes with everything. */
export function copyFootprint(x: Instance, words: usize): void {
  let writes: u32 = 0
  for (let i: u32 = 0; i < x.keyCount; ++i) {
    loadKeysAt(x, i)
    const reference = <usize>load<u32>(x.keys + (<usize>i << 2))
    if (reference & WRITES) writes += 1
    const key = changetype<Key>(reference & ~WRITES)
    store<u32>(words + 4 + (<usize>i << 3), key.lo)
    store<u32>(words + 8 + (<usize>i << 3), key.hi)
  }
  store<u32>(words, x.flags & EVERYTHING ? EVERYTHING_BIT : writes)
}

/** The instance has executed, or is a no-op: it gives no more edges. */
export function endEdges(x: Instance): void {
  remove(unexecutedPlace(x.row), x)
  if (x.flags & EVERYTHING) remove(barriersPlace(x.row), x)
  for (let i: u32 = 0; i < x.keyCount; ++i) {
    loadKeysAt(x, i)
    const reference = <usize>load<u32>(x.keys + (<usize>i << 2))
    unlist(reference & ~WRITES, x, (reference & WRITES) != 0)
  }
}

/** Removes the executed instance from the index and forgets it. */
export function forget(x: Instance): void {
  const row = rowAt(x.row)
  if (x.flags & KNOWN) remove(indexedPlace(x.row), x)
  if (row.highest <= x.slot) row.highest = 0
  if (row.highestBarrier <= x.slot) row.highestBarrier = 0
  for (let i: u32 = 0; i < x.keyCount; ++i) {
    loadLeavingAt(x, i)
    const reference = <usize>load<u32>(x.keys + (<usize>i << 2))
    unrefer(reference & ~WRITES, x, (reference & WRITES) != 0)
  }
  releaseKeys(x)
  dropInstance(x)
}
