// The exports of the wasm engine, one for each call of src/engine/engine.ts. Numbers that may exceed 32 bits are f64.
// The caller writes larger input into areas whose addresses it gets from here. src/engine/wasm.ts checks the ranges.

import { blockerRow, blockerSlot, findBlocker } from './blocker'
import {
  addInstance,
  COMMITTED,
  COVERS,
  EXECUTED,
  findInstance,
  Instance,
  KNOWN,
  NOOP,
  openInstances,
  replicas,
  setDependency,
} from './instance'
import { openKeys } from './keys'
import { exchangeScratch, Stack } from './memory'
import { copyFootprint, endEdges, enterPayload, forget } from './payloads'
import { findConflicts, findWriters, findWritersBeyond, found } from './queries'
import { advanceExecuted, advanceKnown, rowAt, startRow } from './rows'
import { clearComponents, components, emitNoop, executedCount, searchAll } from './search'
import { sort } from './sort'
import { enqueue, wakeByPayloads, wakeWaiters } from './waiting'

const vector = memory.data(8 * 16, 8)
let input: usize = 0
let inputWords: u32 = 0
let output: usize = 0
let outputNumbers: u32 = 0
let committedCount: u32 = 0
/** Committed since the last call of execute. */
const fresh = changetype<Stack>(memory.data(12, 4))

/** Call this once, before everything else. */
export function open(rows: u32): void {
  openInstances(rows)
  openKeys()
}

/** The area for vectors, in both directions: one f64 per row. */
export function vectorArea(): usize {
  return vector
}

/** The area for a footprint of `words` words. */
export function footprintArea(words: u32): usize {
  if (words > inputWords) {
    const size = max<u32>(1024, words + (words >> 1))
    input = exchangeScratch(input, <usize>inputWords << 2, <usize>size << 2)
    inputWords = size
  }
  return input
}

/** Takes the footprint from its area, puts the result into the vector's area. */
export function dependencies(row: u32, slot: f64, words: u32): void {
  enterPayload(row, slot, input, words >> 1, vector)
  store<f64>(vector + (row << 3), slot - 1)
}

export function enter(row: u32, slot: f64, words: u32): void {
  enterPayload(row, slot, input, words >> 1, 0)
}

/** Takes the footprint and the vector from their areas. Returns how many pairs (row, slot) the output holds. */
export function conflicts(words: u32): u32 {
  findConflicts(input, words >> 1, vector)
  const count = found.length
  let at = outputArea(count << 1)
  for (let i: u32 = 0; i < count; ++i, at += 16) putId(at, changetype<Instance>(found.get(i)))
  return count
}

/** Puts the result into the vector's area. */
export function writers(lo: u32, hi: u32): void {
  findWriters(lo, hi, vector)
}

/**
 * Takes two words for each of the `keys` from the footprint's area, and the vector from its area. Returns how many
 * triples (key, row, slot) the output holds.
 */
export function writersBeyond(keys: u32): u32 {
  const start = outputArea(3 * replicas * keys)
  return <u32>((findWritersBeyond(input, keys, vector, start) - start) / 24)
}

/** Takes the dependencies from the vector's area. Returns false, without effect, if the payload is not known. */
export function commit(row: u32, slot: f64): bool {
  if (slot <= rowAt(row).floor) return true
  const x = changetype<Instance>(findInstance(row, slot))
  if (changetype<usize>(x) && x.flags & COMMITTED) return true
  if (!changetype<usize>(x) || !(x.flags & KNOWN)) return false
  for (let r: u32 = 0; r < replicas; ++r) setDependency(x, r, load<f64>(vector + (r << 3)))
  x.flags |= load<f64>(vector + (row << 3)) == slot - 1 ? COMMITTED | COVERS : COMMITTED
  fresh.push(changetype<usize>(x))
  committedCount += 1
  return true
}

export function commitNoop(row: u32, slot: f64): void {
  if (slot <= rowAt(row).floor) return
  const record = findInstance(row, slot)
  const x = record ? changetype<Instance>(record) : addInstance(row, slot)
  if (x.flags & COMMITTED) return
  x.flags |= COMMITTED | NOOP
  if (x.flags & KNOWN) endEdges(x)
  else advanceKnown(row)
  fresh.push(changetype<usize>(x))
  committedCount += 1
}

/** Returns how many numbers the output holds. */
export function execute(): u32 {
  for (let i: u32 = 0; i < fresh.length; ++i) {
    const x = changetype<Instance>(fresh.get(i))
    wakeWaiters(x)
    if (x.flags & NOOP) emitNoop(x)
    else enqueue(x)
  }
  fresh.length = 0
  wakeByPayloads()
  searchAll()
  return finish()
}

/** Writes the components to the output and removes the executed instances from the order. */
function finish(): u32 {
  const length = components.length
  if (!length) return 0
  sort(components.items, length)
  const numbers = length + (executedCount << 1)
  let at = outputArea(numbers)
  for (let i: u32 = 0; i < length; ++i) at = putComponent(at, components.get(i))
  for (let row: u32 = 0; row < replicas; ++row) advanceExecuted(row)
  committedCount -= executedCount
  clearComponents()
  return numbers
}

function putComponent(at: usize, first: usize): usize {
  let size: u32 = 0
  const head = at
  for (let member = first; member; member = changetype<Instance>(member).member) {
    const x = changetype<Instance>(member)
    putId(head + 8 + (<usize>size << 4), x)
    if (!(x.flags & NOOP)) endEdges(x)
    size += 1
  }
  store<f64>(head, <f64>size)
  return head + 8 + (<usize>size << 4)
}

function putId(at: usize, x: Instance): void {
  store<f64>(at, <f64>x.row)
  store<f64>(at + 8, x.slot)
}

/** The slot of the smallest blocker, 0 if there is none; {@link blockedRow} returns its row. */
export function blockedSlot(row: u32, slot: f64): f64 {
  const x = changetype<Instance>(findInstance(row, slot))
  if (!changetype<usize>(x) || (x.flags & (COMMITTED | NOOP | EXECUTED)) != COMMITTED) return 0
  findBlocker(x)
  return blockerSlot
}

export function blockedRow(): u32 {
  return blockerRow
}

/** Committed and not executed. */
export function pending(): u32 {
  return committedCount
}

/** Takes the floor from the vector's area. Returns false, without effect, if something up to it has not executed. */
export function truncate(): bool {
  for (let row: u32 = 0; row < replicas; ++row) {
    if (load<f64>(vector + (row << 3)) > rowAt(row).executed) return false
  }
  for (let row: u32 = 0; row < replicas; ++row) {
    const state = rowAt(row)
    while (state.floor < load<f64>(vector + (row << 3))) {
      state.floor += 1
      forget(changetype<Instance>(findInstance(row, state.floor)))
    }
  }
  return true
}

/** Begins behind the vector in its area. Call this once, before anything is entered. */
export function begin(): void {
  for (let row: u32 = 0; row < replicas; ++row) startRow(row, load<f64>(vector + (row << 3)))
}

/**
 * Takes the footprint, if it has `words`, from its area. Returns false, without effect, if the instance is known or
 * forgotten.
 */
export function enterExecuted(row: u32, slot: f64, words: u32): bool {
  if (slot <= rowAt(row).floor || findInstance(row, slot)) return false
  const x = addInstance(row, slot)
  x.flags = words ? COMMITTED | EXECUTED : COMMITTED | EXECUTED | NOOP
  if (words) enterPayload(row, slot, input, words >> 1, 0)
  else advanceKnown(row)
  advanceExecuted(row)
  return true
}

/** Puts the footprint of an indexed instance into its area; returns its words, 0 if there is none. */
export function footprint(row: u32, slot: f64): u32 {
  const x = changetype<Instance>(findInstance(row, slot))
  if (!changetype<usize>(x) || !(x.flags & KNOWN)) return 0
  const words = 1 + (x.keyCount << 1)
  copyFootprint(x, footprintArea(words))
  return words
}

/** The address of the numbers of the last execute or conflicts. */
export function outputAddress(): usize {
  return output
}

function outputArea(numbers: u32): usize {
  if (numbers > outputNumbers) {
    const size = max<u32>(1024, numbers + (numbers >> 1))
    output = exchangeScratch(output, <usize>outputNumbers << 3, <usize>size << 3)
    outputNumbers = size
  }
  return output
}

export { liveBytes } from './memory'
