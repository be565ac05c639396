import { findLoaded, GROUP, hi, lo, loadGroup } from './ahead'
import { EVERYTHING, Instance, replicas } from './instance'
import { findKey, highestWrite, Key, WRITES } from './keys'
import { countUpTo, itemOf, lengthOf } from './list'
import { Stack } from './memory'
import { rowAt } from './rows'

// Queries of the index that are not on the path of a command.

export const found = changetype<Stack>(memory.data(12, 4))

const READ: u32 = 1
const WRITTEN: u32 = 2

/**
 * Puts every indexed instance outside the prefix `beyond` that interferes with the footprint at `words` into {@link
 * found}.
 */
export function findConflicts(words: usize, keys: u32, beyond: usize): void {
  found.length = 0
  const everything = (load<u32>(words) & 0x8000_0000) != 0
  const writes = load<u32>(words)
  if (!everything) {
    for (let i: u32 = 0; i < keys; ++i) mark(words + 4 + (<usize>i << 3), i < writes ? WRITTEN : READ)
  }
  for (let row: u32 = 0; row < replicas; ++row) {
    const list = rowAt(row).indexed
    for (let i = countUpTo(list, load<f64>(beyond + (row << 3))); i < lengthOf(list); ++i) {
      const x = itemOf(list, i)
      if (everything || x.flags & EVERYTHING || touchesMarked(x)) found.push(changetype<usize>(x))
    }
  }
  if (!everything) {
    for (let i: u32 = 0; i < keys; ++i) mark(words + 4 + (<usize>i << 3), 0)
  }
}

/** Sets or raises the mark of a key; 0 removes it. */
function mark(lanes: usize, value: u32): void {
  const key = findKey(load<u32>(lanes), load<u32>(lanes + 4))
  if (key) changetype<Key>(key).mark = value ? max(changetype<Key>(key).mark, value) : 0
}

function touchesMarked(x: Instance): bool {
  for (let i: u32 = 0; i < x.keyCount; ++i) {
    const reference = <usize>load<u32>(x.keys + (<usize>i << 2))
    const mark = changetype<Key>(reference & ~WRITES).mark
    if (mark == WRITTEN || (mark && reference & WRITES)) return true
  }
  return false
}

/** Writes into `result`, per row, the highest indexed slot that writes the key. */
export function findWriters(lo: u32, hi: u32, result: usize): void {
  const key = findKey(lo, hi)
  for (let row: u32 = 0; row < replicas; ++row) {
    const barrier = rowAt(row).highestBarrier
    store<f64>(result + (row << 3), key ? max(barrier, highestWrite(key, row)) : barrier)
  }
}

/**
 * Writes into `result`, for each of the `keys` at `lanes` and each row, its position, the row and the highest indexed
 * slot that writes the key, if that is beyond the vector `beyond`. Returns where the result ends.
 */
export function findWritersBeyond(lanes: usize, keys: u32, beyond: usize, result: usize): usize {
  let at = result
  for (let first: u32 = 0; first < keys; first += GROUP) {
    const group = lanes + (<usize>first << 3)
    const count = min(GROUP, keys - first)
    loadGroup(group, count)
    for (let i: u32 = 0; i < count; ++i) {
      const key = findLoaded(i, lo(group, i), hi(group, i))
      for (let row: u32 = 0; row < replicas; ++row) {
        const barrier = rowAt(row).highestBarrier
        const slot = key ? max(barrier, highestWrite(key, row)) : barrier
        if (slot <= load<f64>(beyond + (row << 3))) continue
        store<f64>(at, <f64>(first + i))
        store<f64>(at, <f64>row, 8)
        store<f64>(at, slot, 16)
        at += 24
      }
    }
  }
  return at
}
