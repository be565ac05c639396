import { dependency, findInstance, Instance, KNOWN, NOOP, EXECUTED } from './instance'
import { Stack } from './memory'

/** The state of one row. */
@unmanaged
export class Row {
  /** Every slot up to here was truncated. */
  floor: f64
  /** Every slot up to here had executed when the last call of execute ended. */
  executed: f64
  /** The payload or the no-op of every slot up to here is known. */
  known: f64
  /** The highest indexed slot, and the highest one that interferes with everything. */
  highest: f64
  highestBarrier: f64
  /**
   * Lists: all indexed instances; the unexecuted ones with a payload that can still give edges; among these, those that
   * interfere with everything.
   */
  indexed: u32
  unexecuted: u32
  barriers: u32
  /** A heap of instances, ordered by how far they need this row's payloads: three words of a Stack. */
  items: usize
  length: u32
  capacity: u32
}

const ROW_BYTES: usize = 72
const rows = memory.data(72 * 16, 8)

// @ts-ignore: decorator
@inline
export function rowAt(row: u32): Row {
  return changetype<Row>(rows + <usize>row * ROW_BYTES)
}

// @ts-ignore: decorator
@inline
export function indexedPlace(row: u32): usize {
  return rows + <usize>row * ROW_BYTES + offsetof<Row>('indexed')
}

// @ts-ignore: decorator
@inline
export function unexecutedPlace(row: u32): usize {
  return rows + <usize>row * ROW_BYTES + offsetof<Row>('unexecuted')
}

// @ts-ignore: decorator
@inline
export function barriersPlace(row: u32): usize {
  return rows + <usize>row * ROW_BYTES + offsetof<Row>('barriers')
}

/** Everything in the row up to the slot has executed and is forgotten. */
export function startRow(row: u32, slot: f64): void {
  const state = rowAt(row)
  state.floor = slot
  state.executed = slot
  state.known = slot
}

export function advanceKnown(row: u32): void {
  const state = rowAt(row)
  let next = findInstance(row, state.known + 1)
  while (next && changetype<Instance>(next).flags & (KNOWN | NOOP)) {
    state.known += 1
    next = findInstance(row, state.known + 1)
  }
}

export function advanceExecuted(row: u32): void {
  const state = rowAt(row)
  let next = findInstance(row, state.executed + 1)
  while (next && changetype<Instance>(next).flags & EXECUTED) {
    state.executed += 1
    next = findInstance(row, state.executed + 1)
  }
}

// @ts-ignore: decorator
@inline
function heapOf(row: u32): Stack {
  return changetype<Stack>(rows + <usize>row * ROW_BYTES + offsetof<Row>('items'))
}

/** `x` waits until the payloads of the row are known as far as `x` depends on the row. */
export function awaitPayloads(row: u32, x: Instance): void {
  const heap = heapOf(row)
  heap.push(changetype<usize>(x))
  let i = heap.length - 1
  while (i) {
    const up = (i - 1) >> 1
    if (need(heap, up, row) <= need(heap, i, row)) break
    swap(heap, i, up)
    i = up
  }
}

/** Removes and returns one instance whose payloads are known by now; 0 if there is none. */
export function withPayloads(row: u32): usize {
  const heap = heapOf(row)
  if (!heap.length || need(heap, 0, row) > rowAt(row).known) return 0
  const first = heap.get(0)
  heap.set(0, heap.get(heap.length - 1))
  heap.length -= 1
  let i: u32 = 0
  while (true) {
    let least = i
    const left = (i << 1) + 1
    if (left < heap.length && need(heap, left, row) < need(heap, least, row)) least = left
    if (left + 1 < heap.length && need(heap, left + 1, row) < need(heap, least, row)) least = left + 1
    if (least == i) return first
    swap(heap, i, least)
    i = least
  }
}

// @ts-ignore: decorator
@inline
function need(heap: Stack, index: u32, row: u32): f64 {
  return dependency(changetype<Instance>(heap.get(index)), row)
}

function swap(heap: Stack, a: u32, b: u32): void {
  const item = heap.get(a)
  heap.set(a, heap.get(b))
  heap.set(b, item)
}
