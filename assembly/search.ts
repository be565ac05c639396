import { collectEdges, edges } from './edges'
import { dependency, EXECUTED, Instance, replicas, Wait } from './instance'
import { Stack } from './memory'
import { rowAt } from './rows'
import { sort } from './sort'
import { dequeue, isBlocked, stopWaiting, waitFor, waitForPayloads, wakeWaiters } from './waiting'

// Tarjan's algorithm with an explicit stack. It gives up as soon as something blocks: each instance on its stack then
// waits on its successor on the path to the blocker. Components that were complete by then stay complete.

/** The smallest member of each component that the current call found; the members are linked. */
export const components = changetype<Stack>(memory.data(12, 4))
/** How many instances they hold. */
export let executedCount: u32 = 0

/**
 * The path of the search. For each instance on it: its address, and the positions in `edges` of its next and its first
 * edge.
 */
const path = changetype<Stack>(memory.data(12, 4))
/** Tarjan's stack. */
const open = changetype<Stack>(memory.data(12, 4))
let index: u32 = 0

export function searchAll(): void {
  let waiting = dequeue()
  while (waiting) {
    const x = changetype<Instance>(waiting)
    if (!(x.flags & EXECUTED) && x.wait == Wait.nothing) search(x)
    waiting = dequeue()
  }
}

function search(start: Instance): void {
  index = 0
  if (!enter(start, 0)) return
  while (path.length) {
    const x = changetype<Instance>(path.get(path.length - 3))
    const edge = path.get(path.length - 2)
    if (edge == edges.length) {
      leave(x)
      continue
    }
    path.set(path.length - 2, edge + 1)
    const y = changetype<Instance>(edges.get(<u32>edge))
    // It was completed meanwhile through another edge of `x`, and its level counts through that edge.
    if (y.flags & EXECUTED) continue
    if (y.index) x.low = min(x.low, y.index)
    else if (!enter(y, changetype<usize>(x))) {
      giveUp(y)
      return
    }
  }
}

/** Puts `x` on the path. Returns false, and `x` waits, if it is blocked. */
function enter(x: Instance, parent: usize): bool {
  if (x.wait != Wait.nothing) stopWaiting(x)
  const first = edges.length
  x.level = 1
  if (!resolve(x, first)) {
    edges.length = first
    return false
  }
  x.index = x.low = ++index
  x.parent = parent
  open.push(changetype<usize>(x))
  path.push(changetype<usize>(x))
  path.push(first)
  path.push(first)
  return true
}

function resolve(x: Instance, first: u32): bool {
  for (let row: u32 = 0; row < replicas; ++row) {
    if (dependency(x, row) <= rowAt(row).known) continue
    waitForPayloads(x, row)
    return false
  }
  const obstacle = collectEdges(x)
  if (obstacle) {
    waitFor(x, changetype<Instance>(obstacle), Wait.commit)
    return false
  }
  for (let i = first; i < edges.length; ++i) {
    const y = changetype<Instance>(edges.get(i))
    if (y.wait == Wait.nothing || !isBlocked(y)) continue
    waitFor(x, y, Wait.execution)
    return false
  }
  return true
}

/**
 * All edges of `x` were followed: removes it from the path, together with its component if it is the component's first.
 */
function leave(x: Instance): void {
  edges.length = <u32>path.get(path.length - 1)
  path.length -= 3
  if (x.low == x.index) close(x)
  if (!x.parent) return
  const parent = changetype<Instance>(x.parent)
  if (x.flags & EXECUTED) parent.level = max(parent.level, x.level + 1)
  else parent.low = min(parent.low, x.low)
}

function close(x: Instance): void {
  let level: u32 = 1
  let first = open.length
  do {
    --first
    const y = changetype<Instance>(open.get(first))
    level = max(level, y.level)
  } while (open.get(first) != changetype<usize>(x))
  emit(open.items + (<usize>first << 2), open.length - first, level)
  open.length = first
}

/** The instances at `members` form a component. */
function emit(members: usize, count: u32, level: u32): void {
  for (let i: u32 = 0; i < count; ++i) changetype<Instance>(<usize>load<u32>(members + (<usize>i << 2))).level = level
  sort(members, count)
  let rest: usize = 0
  for (let i = count; i; --i) {
    const y = changetype<Instance>(<usize>load<u32>(members + (<usize>(i - 1) << 2)))
    y.flags |= EXECUTED
    y.index = 0
    y.member = rest
    rest = changetype<usize>(y)
    wakeWaiters(y)
  }
  components.push(rest)
  executedCount += count
}

export function emitNoop(x: Instance): void {
  x.flags |= EXECUTED
  x.level = 1
  x.member = 0
  components.push(changetype<usize>(x))
  executedCount += 1
}

/** `y` is blocked, and so is everything that the search has not completed. */
function giveUp(y: Instance): void {
  let successor = y
  while (path.length) {
    path.length -= 3
    const x = changetype<Instance>(path.get(path.length))
    waitFor(x, successor, Wait.execution)
    successor = x
  }
  while (open.length) {
    const x = changetype<Instance>(open.pop())
    x.index = 0
    // Not on the path and not complete: it is in one component with its parent, so they execute together.
    if (x.wait == Wait.nothing) waitFor(x, changetype<Instance>(x.parent), Wait.execution)
  }
  edges.length = 0
}

export function clearComponents(): void {
  components.length = 0
  executedCount = 0
}
