import { collectAllEdges, edges } from './edges'
import { dependency, Instance, REACHED, replicas } from './instance'
import { Stack } from './memory'
import { rowAt } from './rows'

const reached = changetype<Stack>(memory.data(12, 4))

/** The row and the slot of the smallest blocker; slot 0 for none. */
export let blockerRow: u32 = 0
export let blockerSlot: f64 = 0

/** Visits everything that the committed instance transitively depends on. */
export function findBlocker(start: Instance): void {
  blockerSlot = 0
  reach(start)
  for (let i: u32 = 0; i < reached.length; ++i) {
    const x = changetype<Instance>(reached.get(i))
    for (let row: u32 = 0; row < replicas; ++row) {
      const known = rowAt(row).known
      if (dependency(x, row) > known) blame(row, known + 1)
    }
    const obstacle = changetype<Instance>(collectAllEdges(x))
    if (changetype<usize>(obstacle)) blame(obstacle.row, obstacle.slot)
    while (edges.length) reach(changetype<Instance>(edges.pop()))
  }
  while (reached.length) {
    const x = changetype<Instance>(reached.pop())
    x.flags &= ~REACHED
  }
}

function reach(x: Instance): void {
  if (x.flags & REACHED) return
  x.flags |= REACHED
  reached.push(changetype<usize>(x))
}

function blame(row: u32, slot: f64): void {
  if (blockerSlot && (slot > blockerSlot || (slot == blockerSlot && row > blockerRow))) return
  blockerRow = row
  blockerSlot = slot
}
