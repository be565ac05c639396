import { Instance } from './instance'
import { Stack } from './memory'

const scratch = changetype<Stack>(memory.data(12, 4))

/** Sorts `count` addresses of instances, in place, by (level, slot, row). */
export function sort(items: usize, count: u32): void {
  while (scratch.capacity < count) scratch.enlarge()
  sortRange(items, scratch.items, count)
}

/** Merge sort; runs that are already in order are not copied. */
function sortRange(items: usize, spare: usize, count: u32): void {
  if (count < 2) return
  const half = count >> 1
  const middle = items + (<usize>half << 2)
  sortRange(items, spare, half)
  sortRange(middle, spare, count - half)
  if (precedes(at(middle - 4), at(middle))) return
  memory.copy(spare, items, <usize>half << 2)
  merge(spare, spare + (<usize>half << 2), middle, items + (<usize>count << 2), items)
}

function merge(left: usize, leftEnd: usize, right: usize, rightEnd: usize, to: usize): void {
  for (; left < leftEnd; to += 4) {
    const takeRight = right < rightEnd && precedes(at(right), at(left))
    store<u32>(to, load<u32>(takeRight ? right : left))
    if (takeRight) right += 4
    else left += 4
  }
}

// @ts-ignore: decorator
@inline
function at(place: usize): Instance {
  return changetype<Instance>(<usize>load<u32>(place))
}

// @ts-ignore: decorator
@inline
function precedes(a: Instance, b: Instance): bool {
  if (a.level != b.level) return a.level < b.level
  if (a.slot != b.slot) return a.slot < b.slot
  return a.row < b.row
}
