import { Instance } from './instance'
import { bucketOfKey, findKey, Key, lastWord, loadSpareKeys, WRITES } from './keys'
import { hash, likelyRecord } from './table'

// Loading ahead. Keys lie all over the memory. Looked up one after the other, each lookup waits for its bucket and then
// for its record. So the keys are loaded in groups first, in passes: no load of a pass needs the result of another load
// of the same pass, and the processor waits for all of them at once. The shorter a pass, the more of its loads are in
// flight together, so everything that must be computed has passes of its own.

/** This many keys are loaded together: their buckets and records fit into the first-level cache. */
export const GROUP: u32 = 64
/** For each key of the group: its hash and its bucket, then its record if the bucket names one, else 0. */
const tags = memory.data(4 * 64, 8)
const likely = memory.data(4 * 64, 8)
/** Zeros that stand for the record of a key that has none; as large as the largest record. */
const nobody = memory.data(256, 8)
/** Only there so that the loads are not optimized away. */
let sink: u32 = 0

/** Loads all that lookups of the `count` keys, up to {@link GROUP}, with the lanes at `lanes` will need. */
export function loadGroup(lanes: usize, count: u32): void {
  for (let i: u32 = 0; i < count; ++i) {
    const tag = hash(lo(lanes, i), hi(lanes, i))
    store<u32>(tags + (i << 2), tag)
    store<u32>(likely + (i << 2), <u32>bucketOfKey(tag))
  }
  loadLikely(count)
  for (let i: u32 = 0; i < count; ++i) {
    const place = likely + (i << 2)
    store<u32>(place, <u32>likelyRecord(<usize>load<u32>(place), load<u32>(tags + (i << 2))))
  }
  loadLikely(count)
  loadRest(count)
}

// @ts-ignore: decorator
@inline
function loadLikely(count: u32): void {
  let sum: u32 = 0
  for (let i: u32 = 0; i < count; ++i) sum += load<u32>(<usize>load<u32>(likely + (i << 2)))
  sink = sum
}

/** Loads the ends of the records and what the records point to, and makes room for missing records. */
function loadRest(count: u32): void {
  let sum: u32 = 0
  let missing: u32 = 0
  for (let i: u32 = 0; i < count; ++i) {
    const key = <usize>load<u32>(likely + (i << 2))
    missing += <u32>!key
    const record = select<usize>(key, nobody, key != 0)
    sum += load<u32>(changetype<Key>(record).reads) + lastWord(record)
  }
  if (missing) sum += loadSpareKeys(missing)
  sink = sum
}

/** As {@link findKey}, for key `index` of the group. */
// @ts-ignore: decorator
@inline
export function findLoaded(index: u32, lo: u32, hi: u32): usize {
  const key = changetype<Key>(<usize>load<u32>(likely + (index << 2)))
  // Another key may have the same hash, and the same key may have come earlier in the group.
  return changetype<usize>(key) && key.lo == lo && key.hi == hi ? changetype<usize>(key) : findKey(lo, hi)
}

/** If `index` begins a group of the instance's keys, loads the records of that group. */
// @ts-ignore: decorator
@inline
export function loadKeysAt(x: Instance, index: u32): void {
  if (index % GROUP == 0) loadKeys(x, index)
}

/** Like {@link loadKeysAt}, and also loads the buckets of the keys that no other instance names. */
// @ts-ignore: decorator
@inline
export function loadLeavingAt(x: Instance, index: u32): void {
  if (index % GROUP == 0) loadLeaving(x, index)
}

function loadKeys(x: Instance, from: u32): void {
  let sum: u32 = 0
  const end = endOfGroup(x, from)
  for (let at = x.keys + (<usize>from << 2); at < end; at += 4) sum += load<u32>(<usize>load<u32>(at) & ~WRITES)
  sink = sum
}

function loadLeaving(x: Instance, from: u32): void {
  loadKeys(x, from)
  let sum: u32 = 0
  const end = endOfGroup(x, from)
  for (let at = x.keys + (<usize>from << 2); at < end; at += 4) {
    const key = changetype<Key>(<usize>load<u32>(at) & ~WRITES)
    if (key.references == 1) sum += load<u32>(bucketOfKey(hash(key.lo, key.hi)))
  }
  sink = sum
}

// @ts-ignore: decorator
@inline
function endOfGroup(x: Instance, from: u32): usize {
  return x.keys + (<usize>min(x.keyCount, from + GROUP) << 2)
}

// @ts-ignore: decorator
@inline
export function lo(lanes: usize, index: u32): u32 {
  return load<u32>(lanes + (<usize>index << 3))
}

// @ts-ignore: decorator
@inline
export function hi(lanes: usize, index: u32): u32 {
  return load<u32>(lanes + (<usize>index << 3), 4)
}
