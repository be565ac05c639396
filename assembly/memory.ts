// The engine's memory: blocks of rounded sizes above the static data, with a free list per size. A freed block serves the next request of
// its size, so a window that moves on takes no new memory.

/** Bytes in live blocks. */
export let liveBytes: f64 = 0

const LINE: usize = 64
/** Four sizes per doubling; below 32 bytes there is one. */
const freeBlocks = memory.data(4 * 128, 8)

let top: usize = (__heap_base + LINE - 1) & ~(LINE - 1)
let limit: usize = <usize>memory.size() << 16

/** `size` zero bytes on a cache line of their own, never given back. */
export function reserveLines(size: usize): usize {
  top = (top + LINE - 1) & ~(LINE - 1)
  return reserve(size)
}

function reserve(size: usize): usize {
  if (size > 0xffff_0000 - top) unreachable()
  const block = top
  top += (size + 7) & ~7
  if (top > limit) grow()
  return block
}

function grow(): void {
  const missing = <i32>((top - limit + 0xffff) >> 16)
  const generous = max(missing, <i32>(limit >> 18))
  if (memory.grow(generous) < 0 && memory.grow(missing) < 0) unreachable()
  limit = <usize>memory.size() << 16
}

/** A block of at least `size` bytes, contents undefined; blocks of whole cache lines start on one. */
export function allocate(size: usize): usize {
  size = rounded(size)
  liveBytes += <f64>size
  const list = freeBlocks + (sizeClass(size) << 2)
  const block = <usize>load<u32>(list)
  if (block) {
    store<u32>(list, load<u32>(block))
    return block
  }
  return size & (LINE - 1) ? reserve(size) : reserveLines(size)
}

/** Gives back a block that was allocated with the same `size`. */
export function release(block: usize, size: usize): void {
  size = rounded(size)
  liveBytes -= <f64>size
  const list = freeBlocks + (sizeClass(size) << 2)
  store<u32>(block, load<u32>(list))
  store<u32>(list, <u32>block)
}

/** A block that no live entry needs and that is not counted in {@link liveBytes}, in exchange for a smaller one; contents are lost. */
export function exchangeScratch(block: usize, size: usize, larger: usize): usize {
  if (size) releaseScratch(block, size)
  liveBytes -= <f64>rounded(larger)
  return allocate(larger)
}

function releaseScratch(block: usize, size: usize): void {
  liveBytes += <f64>rounded(size)
  release(block, size)
}

/** As memory.fill with zeros, for a few words: without leaving the module. */
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
function sizeClass(size: usize): usize {
  const exponent = 31 - clz(<u32>size - 1)
  return (exponent << 2) + (((<u32>size - 1) >> (exponent - 2)) & 3)
}

/** A growing array of pointers; its three words lie in static memory. */
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
    if (this.capacity) releaseScratch(this.items, <usize>this.capacity << 2)
    this.items = items
    this.capacity = capacity
  }
}
