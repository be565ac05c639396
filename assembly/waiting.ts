import { Instance, replicas, Wait } from './instance'
import { Stack } from './memory'
import { awaitPayloads, withPayloads } from './rows'

// Who waits for what. An instance waits on one thing at a time, and is looked at again only when that happens. So a
// long blocked backlog costs nothing while it stays blocked. "Waits on the execution of" forms trees: the root of each
// tree either waits on a commit or on payloads, or is in the queue of the search.

/** The instances to search, first come first served. */
const queue = changetype<Stack>(memory.data(12, 4))
let next: u32 = 0

/** Paths to a root that are longer than this are shortened. */
const LONG: u32 = 32

// @ts-ignore: decorator
@inline
export function enqueue(x: Instance): void {
  queue.push(changetype<usize>(x))
}

/** 0 if all have been searched. */
export function dequeue(): usize {
  if (next < queue.length) return queue.get(next++)
  queue.length = 0
  next = 0
  return 0
}

export function waitForPayloads(x: Instance, row: u32): void {
  x.wait = Wait.payloads
  awaitPayloads(row, x)
}

export function waitFor(x: Instance, y: Instance, kind: Wait): void {
  x.wait = kind
  x.waitsOn = changetype<usize>(y)
  x.before = 0
  x.after = y.waiters
  if (y.waiters) changetype<Instance>(y.waiters).before = changetype<usize>(x)
  y.waiters = changetype<usize>(x)
}

/** `x` is searched although what it waits on has not happened. */
export function stopWaiting(x: Instance): void {
  if (x.before) changetype<Instance>(x.before).after = x.after
  else changetype<Instance>(x.waitsOn).waiters = x.after
  if (x.after) changetype<Instance>(x.after).before = x.before
  x.wait = Wait.nothing
}

/** Wakes the instances that waited for what has happened to `y`. */
export function wakeWaiters(y: Instance): void {
  let waiter = y.waiters
  y.waiters = 0
  while (waiter) {
    const x = changetype<Instance>(waiter)
    waiter = x.after
    x.wait = Wait.nothing
    enqueue(x)
  }
}

export function wakeByPayloads(): void {
  for (let row: u32 = 0; row < replicas; ++row) {
    let waiter = withPayloads(row)
    while (waiter) {
      changetype<Instance>(waiter).wait = Wait.nothing
      enqueue(changetype<Instance>(waiter))
      waiter = withPayloads(row)
    }
  }
}

/** Whether `x` waits, directly or through others, for something that has not happened. */
export function isBlocked(x: Instance): bool {
  let root = x
  let steps: u32 = 0
  for (; root.wait == Wait.execution; ++steps) root = changetype<Instance>(root.waitsOn)
  if (steps > LONG) shorten(x, root)
  return root.wait != Wait.nothing
}

/**
 * Attaches some of the instances between `x` and `root` directly to the root, so that the path is short the next time.
 * Not all of them, because each is looked at again when the root executes.
 */
function shorten(x: Instance, root: Instance): void {
  for (let steps: u32 = 0; x.wait == Wait.execution; ++steps) {
    const successor = changetype<Instance>(x.waitsOn)
    if (steps % LONG == 0 && successor != root) {
      stopWaiting(x)
      waitFor(x, root, Wait.execution)
    }
    x = successor
  }
}
