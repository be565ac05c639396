import { loadKeysAt } from './ahead'
import { COMMITTED, COVERS, dependency, EVERYTHING, EXECUTED, Instance, replicas } from './instance'
import { readsOf, WRITES, writesOf } from './keys'
import { countUpTo, itemOf } from './list'
import { Stack } from './memory'
import { rowAt } from './rows'

// The edges of a committed instance: the unexecuted instances of its prefix that interfere with it, except those that
// another edge stands for.
//
// Take a committed instance z that writes key k and depends on exactly its own row below it (COVERS). z itself has an
// edge or a path to every lower instance of its row that touches k. So for a row and a key only the highest such z is
// needed, and the instances above it. The same holds for instances that interfere with everything, for all keys at
// once. The path from z is found by the same rule at z, within z's row and with smaller slots, so this ends.
// Components, their levels and their blockers are the same as with the full edges (test/engine/differential.test.ts).

/** Edges of the instances on the search's path, instance after instance. */
export const edges = changetype<Stack>(memory.data(12, 4))

/** Whether walks continue past uncommitted instances, to find the smallest one. */
let thorough: bool = false
/** The uncommitted instance that the last walk met: the first one, or the smallest if thorough. */
let obstacle: usize = 0

/**
 * Per row: the slot of the barrier that stands for everything up to it, and how far the instance depends on the row (0
 * if all of that has executed).
 */
const bottoms = memory.data(8 * 16, 8)
const tops = memory.data(8 * 16, 8)

/**
 * Appends the edges of `x` to {@link edges}. Returns the uncommitted instance that `x` depends on, or 0. All payloads
 * that `x` depends on are known. If `x` is blocked, the next call starts from that point.
 */
export function collectEdges(x: Instance): usize {
  const from = edges.length
  if (!openRows(x)) return 0
  thorough = false
  const resumed = x.cursor != 0 || x.cursorSlot != Infinity
  if (walk(x)) return obstacle
  if (resumed) {
    edges.length = from
    x.cursor = 0
    walk(x)
  }
  return 0
}

/**
 * Like {@link collectEdges}, but also works if payloads are missing or instances are uncommitted. Returns the smallest
 * uncommitted instance.
 */
export function collectAllEdges(x: Instance): usize {
  if (!openRows(x)) return 0
  const cursor = x.cursor
  const cursorSlot = x.cursorSlot
  x.cursor = 0
  x.cursorSlot = Infinity
  thorough = true
  walk(x)
  x.cursor = cursor
  x.cursorSlot = cursorSlot
  return obstacle
}

/** False if everything that `x` depends on has executed. */
function openRows(x: Instance): bool {
  let any = false
  for (let row: u32 = 0; row < replicas; ++row) {
    const top = dependency(x, row)
    const open = top > rowAt(row).executed
    store<f64>(tops + (row << 3), open ? top : 0)
    any = any || open
  }
  return any
}

/** True if it stopped at an uncommitted instance. */
function walk(x: Instance): bool {
  obstacle = 0
  for (let row: u32 = 0; row < replicas; ++row) {
    const bottom = descend(rowAt(row).barriers, x, topOf(row), 0, true)
    if (obstacle && !thorough) return true
    store<f64>(bottoms + (row << 3), bottom)
  }
  return x.flags & EVERYTHING ? walkRows(x) : walkKeys(x)
}

function walkRows(x: Instance): bool {
  for (let row = x.cursor; row < replicas; ++row) {
    descend(rowAt(row).unexecuted, x, min(topOf(row), resumeAt(x)), bottomOf(row), false)
    if (obstacle && !thorough) return pause(x, row, changetype<Instance>(obstacle).slot)
  }
  return false
}

function walkKeys(x: Instance): bool {
  let row = x.cursor % replicas
  for (let index = x.cursor / replicas; index < x.keyCount; ++index) {
    loadKeysAt(x, index)
    const reference = <usize>load<u32>(x.keys + (<usize>index << 2))
    for (; row < replicas; ++row) {
      if (topOf(row) && walkKey(x, reference, row, index * replicas + row)) return true
    }
    row = 0
  }
  return false
}

// @ts-ignore: decorator
@inline
function walkKey(x: Instance, reference: usize, row: u32, step: u32): bool {
  const key = reference & ~WRITES
  const from = resumeAt(x)
  const writes = writesOf(key, row)
  let bottom = bottomOf(row)
  if (writes) bottom = descend(writes, x, topOf(row), bottom, true)
  if (obstacle && !thorough) return pause(x, step, Infinity)
  if (!(reference & WRITES)) return false
  const reads = readsOf(key, row)
  if (!reads) return false
  descend(reads, x, min(topOf(row), from), bottom, false)
  return obstacle && !thorough ? pause(x, step, changetype<Instance>(obstacle).slot) : false
}

// @ts-ignore: decorator
@inline
function resumeAt(x: Instance): f64 {
  const slot = x.cursorSlot
  x.cursorSlot = Infinity
  return slot
}

/**
 * The next walk starts at `step`; in that step, the instances above `slot` that only read are known to be committed.
 */
function pause(x: Instance, step: u32, slot: f64): bool {
  x.cursor = step
  x.cursorSlot = slot
  return true
}

/**
 * Adds the edges of `x` to the list's instances with slots in (bottom, top], from the highest down. With `covering` it
 * stops at the first instance that stands for the lower ones and returns its slot; otherwise it returns `bottom`.
 */
function descend(list: usize, x: Instance, top: f64, bottom: f64, covering: bool): f64 {
  for (let i = countUpTo(list, top); i; --i) {
    const y = itemOf(list, i - 1)
    if (y.slot <= bottom) break
    if (y == x) continue
    const flags = y.flags
    if (!(flags & COMMITTED)) {
      meet(y)
      if (thorough) continue
      return bottom
    }
    if (flags & EXECUTED) x.level = max(x.level, y.level + 1)
    else edges.push(changetype<usize>(y))
    if (covering && flags & COVERS) return y.slot
  }
  return bottom
}

function meet(y: Instance): void {
  const other = changetype<Instance>(obstacle)
  if (!obstacle || y.slot < other.slot || (y.slot == other.slot && y.row < other.row)) obstacle = changetype<usize>(y)
}

// @ts-ignore: decorator
@inline
function topOf(row: u32): f64 {
  return load<f64>(tops + (row << 3))
}

// @ts-ignore: decorator
@inline
function bottomOf(row: u32): f64 {
  return load<f64>(bottoms + (row << 3))
}
