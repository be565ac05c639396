import { allocate, clear, release } from './memory'
import { Table, TABLE_BYTES } from './table'

/** The payload was entered. */
export const KNOWN: u32 = 1
export const EVERYTHING: u32 = 2
export const COMMITTED: u32 = 4
export const NOOP: u32 = 8
export const EXECUTED: u32 = 16
/** In its own row it depends on exactly the instances below it, like everything that a replica proposes. */
export const COVERS: u32 = 32
/** Reached by the current traversal. */
export const REACHED: u32 = 64

export const enum Wait {
  nothing,
  /** The payloads of a row being known up to a slot. */
  payloads,
  /** The commit of the instance `waitsOn`. */
  commit,
  /** The execution of the instance `waitsOn`. */
  execution,
}

/** What is known of one instance; its dependency vector follows it. */
@unmanaged
export class Instance {
  // For the table: the low 32 bits of the slot, then its high bits and the row.
  lo: u32
  hi: u32

  flags: u32
  slot: f64
  row: u32

  /** `keyCount` addresses of keys; WRITES is added if the instance writes the key. */
  keys: usize
  keyCount: u32

  wait: u32
  waitsOn: usize
  /** Neighbours in the list of instances that wait on the same instance. */
  before: usize
  after: usize
  /** The first instance that waits on this one. */
  waiters: usize
  /** How far its direct dependencies are known to be committed: steps passed, and the slot within the next step. */
  cursor: u32
  cursorSlot: f64

  /** Tarjan's numbers, from 1; 0 if it is not on the stack. */
  index: u32
  low: u32
  /** The instance from which the search came. */
  parent: usize
  level: u32
  /** The next member of its component. */
  member: usize
}

export let replicas: u32 = 0

const table = changetype<Table>(memory.data(TABLE_BYTES, 8))
const VECTOR: usize = (offsetof<Instance>() + 7) & ~7

export function openInstances(count: u32): void {
  replicas = count
  table.open()
}

/** 0 if nothing is known of the instance. */
export function findInstance(row: u32, slot: f64): usize {
  const bits = <u64>slot
  return table.find(<u32>bits, (<u32>(bits >> 32)) | (row << 24))
}

export function addInstance(row: u32, slot: f64): Instance {
  const size = instanceBytes()
  const record = allocate(size)
  clear(record, size)
  const bits = <u64>slot
  const x = changetype<Instance>(record)
  x.lo = <u32>bits
  x.hi = (<u32>(bits >> 32)) | (row << 24)
  x.slot = slot
  x.row = row
  x.cursorSlot = Infinity
  table.add(record)
  return x
}

export function dropInstance(x: Instance): void {
  table.remove(changetype<usize>(x))
  release(changetype<usize>(x), instanceBytes())
}

function instanceBytes(): usize {
  return VECTOR + (<usize>replicas << 3)
}

// @ts-ignore: decorator
@inline
export function dependency(x: Instance, row: u32): f64 {
  return load<f64>(changetype<usize>(x) + VECTOR + (<usize>row << 3))
}

export function setDependency(x: Instance, row: u32, slot: f64): void {
  store<f64>(changetype<usize>(x) + VECTOR + (<usize>row << 3), slot)
}

/** Allocates the block for the addresses of `count` keys. */
export function reserveKeys(x: Instance, count: u32): void {
  x.keys = count ? allocate(<usize>count << 2) : 0
  x.keyCount = count
}

export function releaseKeys(x: Instance): void {
  if (x.keyCount) release(x.keys, <usize>x.keyCount << 2)
  x.keyCount = 0
}
