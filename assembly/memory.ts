// The engine's memory: blocks of rounded sizes above the static data. A freed block serves the next request of its
// size, so a moving window takes no new memory. The free blocks are on one stack per size, not in a linked list through
// the blocks: walking such a list would wait for memory at every step.

/** Throws in the host: nothing here goes on, and the engine is not used again. */
@external('host', 'outOfMemory')
declare function outOfMemory(): void

/** Bytes in live blocks. */
export let liveBytes: f64 = 0

const LINE: usize = 64
/** A Stack of free blocks per size. There are four sizes per doubling, and one size below 32 bytes. */
const freeBlocks = memory.data(12 * 128, 8)

let top: usize = (__heap_base + LINE - 1) & ~(LINE - 1)
let limit: usize = <usize>memory.size() << 16

/** `size` zero bytes on cache lines of their own; never freed. */
export function reserveLines(size: usize): usize {
  top = (top + LINE - 1) & ~(LINE - 1)
  return reserve(size)
}

function reserve(size: usize): usize {
  if (size > 0xffff_0000 - top) outOfMemory()
  const block = top
  top += (size + 7) & ~7
  if (top > limit) grow()
  return block
}

function grow(): void {
  const missing = <i32>((top - limit + 0xffff) >> 16)
  const generous = max(missing, <i32>(limit >> 18))
  if (memory.grow(generous) < 0 && memory.grow(missing) < 0) outOfMemory()
  limit = <usize>memory.size() << 16
}

/** A block of at least `size` bytes with undefined contents; blocks of whole cache lines start on one. */
export function allocate(size: usize): usize {
  size = rounded(size)
  liveBytes += <f64>size
  const free = freeOf(size)
  if (free.length) return free.pop()
  return size & (LINE - 1) ? reserve(size) : reserveLines(size)
}

/** Frees a block that was allocated with the same `size`. */
export function release(block: usize, size: usize): void {
  size = rounded(size)
  liveBytes -= <f64>size
  freeOf(size).push(block)
}

/** Loads the blocks that the next `count` allocations of `size` bytes will return. */
export function loadFree(size: usize, count: u32): u32 {
  const free = freeOf(rounded(size))
  let sum: u32 = 0
  for (let i = max<u32>(free.length, count) - count; i < free.length; ++i) sum += load<u32>(free.get(i))
  return sum
}

/**
 * Exchanges a block for a larger one. No live entry needs it, it is not counted in {@link liveBytes}, and its contents
 * are lost.
 */
export function exchangeScratch(block: usize, size: usize, larger: usize): usize {
  if (size) releaseScratch(block, size)
  liveBytes -= <f64>rounded(larger)
  return allocate(larger)
}

function releaseScratch(block: usize, size: usize): void {
  liveBytes += <f64>rounded(size)
  release(block, size)
}

/** Like memory.fill with zeros, for a few words: does not leave the module. */
// @ts-ignore: decorator
@inline
export function clear(block: usize, size: usize): void {
  for (let end = block + ((size + 7) & ~7); block < end; block += 8) store<u64>(block, 0)
}

// @ts-ignore: decorator
@inline
function rounded(size: usize): usize {
  if (size < 32) size = 32
  const step = <usize>1 << (29 - clz(<u32>size - 1))
  return (size + step - 1) & ~(step - 1)
}

// @ts-ignore: decorator
@inline
function freeOf(size: usize): Stack {
  const exponent = 31 - clz(<u32>size - 1)
  const sizeClass = (exponent << 2) + (((<u32>size - 1) >> (exponent - 2)) & 3)
  return changetype<Stack>(freeBlocks + <usize>sizeClass * 12)
}

/** A growing array of pointers. Its three words lie in static memory. */
@unmanaged
export class Stack {
  items: usize
  length: u32
  capacity: u32

  // @ts-ignore: decorator
  @inline
  push(item: usize): void {
    if (this.length == this.capacity) this.enlarge()
    store<u32>(this.items + (<usize>this.length << 2), <u32>item)
    this.length += 1
  }

  // @ts-ignore: decorator
  @inline
  pop(): usize {
    this.length -= 1
    return this.get(this.length)
  }

  // @ts-ignore: decorator
  @inline
  get(index: u32): usize {
    return load<u32>(this.items + (<usize>index << 2))
  }

  // @ts-ignore: decorator
  @inline
  set(index: u32, item: usize): void {
    store<u32>(this.items + (<usize>index << 2), <u32>item)
  }

  enlarge(): void {
    const capacity = max<u32>(64, this.capacity << 1)
    const items = exchangeScratch(0, 0, <usize>capacity << 2)
    memory.copy(items, this.items, <usize>this.length << 2)
    const smaller = this.items
    const smallerSize = <usize>this.capacity << 2
    this.items = items
    this.capacity = capacity
    // Last, because it may be pushed onto this very stack.
    if (smallerSize) releaseScratch(smaller, smallerSize)
  }
}
