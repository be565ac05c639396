import { Instance } from './instance'
import { allocate, release } from './memory'

// Lists of one row's instances by rising slot. A list is one word: 0 if it is empty; the address of its only instance
// plus 1; or the address of a block of addresses with room at both ends, because instances mostly come at the end and
// leave at the front.

const ONE: usize = 1
const LEAST: u32 = 4

@unmanaged
class Block {
  capacity: u32
  first: u32
  length: u32
}

const HEADER: usize = 12

// @ts-ignore: decorator
@inline
export function lengthOf(list: usize): u32 {
  return list & ONE ? 1 : list ? changetype<Block>(list).length : 0
}

// @ts-ignore: decorator
@inline
export function itemOf(list: usize, index: u32): Instance {
  if (list & ONE) return changetype<Instance>(list - ONE)
  return changetype<Instance>(<usize>load<u32>(slotOf(list, index)))
}

/** How many instances of the list have a slot up to `slot`. */
export function countUpTo(list: usize, slot: f64): u32 {
  if (!list) return 0
  if (list & ONE) return changetype<Instance>(list - ONE).slot <= slot ? 1 : 0
  let high = changetype<Block>(list).length
  if (itemOf(list, high - 1).slot <= slot) return high
  let low: u32 = 0
  high -= 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (itemOf(list, middle).slot <= slot) low = middle + 1
    else high = middle
  }
  return low
}

/** Adds the instance to the list at address `place`; no effect if it is there already. */
export function insert(place: usize, x: Instance): void {
  const list = <usize>load<u32>(place)
  if (!list) {
    store<u32>(place, <u32>(changetype<usize>(x) + ONE))
    return
  }
  const index = countUpTo(list, x.slot)
  if (index && itemOf(list, index - 1) == x) return
  if (list & ONE) {
    const other = itemOf(list, 0)
    const block = allocateBlock(LEAST)
    changetype<Block>(block).first = 1
    changetype<Block>(block).length = 2
    store<u32>(slotOf(block, 0), <u32>changetype<usize>(index ? other : x))
    store<u32>(slotOf(block, 1), <u32>changetype<usize>(index ? x : other))
    store<u32>(place, <u32>block)
  } else insertAt(place, list, index, x)
}

function insertAt(place: usize, list: usize, index: u32, x: Instance): void {
  let block = changetype<Block>(list)
  const late = index << 1 >= block.length
  if (late ? block.first + block.length == block.capacity : !block.first) {
    list = recentred(list)
    store<u32>(place, <u32>list)
    block = changetype<Block>(list)
  }
  if (late) {
    if (index < block.length) {
      memory.copy(slotOf(list, index + 1), slotOf(list, index), <usize>(block.length - index) << 2)
    }
  } else {
    block.first -= 1
    if (index) memory.copy(slotOf(list, 0), slotOf(list, 1), <usize>index << 2)
  }
  block.length += 1
  store<u32>(slotOf(list, index), <u32>changetype<usize>(x))
}

/** The same list with room at both ends, in a larger block if it fills more than half of its own. */
function recentred(list: usize): usize {
  const block = changetype<Block>(list)
  const length = block.length
  const capacity = length << 1 > block.capacity ? block.capacity << 1 : block.capacity
  const other = allocateBlock(capacity)
  changetype<Block>(other).first = (capacity - length) >> 1
  changetype<Block>(other).length = length
  memory.copy(slotOf(other, 0), slotOf(list, 0), <usize>length << 2)
  releaseBlock(list)
  return other
}

/** Removes the instance from the list at address `place`; no effect if it is not there. */
export function remove(place: usize, x: Instance): void {
  const list = <usize>load<u32>(place)
  if (list == changetype<usize>(x) + ONE) {
    store<u32>(place, 0)
    return
  }
  const count = list ? countUpTo(list, x.slot) : 0
  if (count && itemOf(list, count - 1) == x) removeAt(place, list, count - 1)
}

function removeAt(place: usize, list: usize, index: u32): void {
  const block = changetype<Block>(list)
  block.length -= 1
  if (index << 1 >= block.length) {
    if (index < block.length) {
      memory.copy(slotOf(list, index), slotOf(list, index + 1), <usize>(block.length - index) << 2)
    }
  } else {
    if (index) memory.copy(slotOf(list, 1), slotOf(list, 0), <usize>index << 2)
    block.first += 1
  }
  if (block.length > 1) return
  store<u32>(place, <u32>(changetype<usize>(itemOf(list, 0)) + ONE))
  releaseBlock(list)
}

function allocateBlock(capacity: u32): usize {
  const block = allocate(HEADER + (<usize>capacity << 2))
  changetype<Block>(block).capacity = capacity
  return block
}

function releaseBlock(block: usize): void {
  release(block, HEADER + (<usize>changetype<Block>(block).capacity << 2))
}

// @ts-ignore: decorator
@inline
function slotOf(list: usize, index: u32): usize {
  return list + HEADER + (<usize>(changetype<Block>(list).first + index) << 2)
}
