import type { Engine, InstanceId, Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'

interface Known extends InstanceId {
  /** `undefined` until committed, `null` for a no-op. */
  outcome: Vector | null | undefined
  executed: boolean
}

/**
 * An engine that now and then, at a truncation, starts anew from what it holds, as a replica does from a checkpoint: it
 * must answer like an engine that goes on.
 */
export class Reborn implements Engine {
  readonly replicas: number
  readonly #engine: Engine
  readonly #known = new Map<string, Known>()
  #truncations = 0
  #floor: number[]
  rebirths = 0

  constructor(engine: Engine) {
    this.replicas = engine.replicas
    this.#engine = engine
    this.#floor = new Array(engine.replicas).fill(0)
  }

  dependencies(row: number, slot: number, footprint: Footprint): Vector {
    const deps = this.#engine.dependencies(row, slot, footprint)
    this.#know(row, slot)
    return deps
  }

  enter(row: number, slot: number, footprint: Footprint): void {
    this.#engine.enter(row, slot, footprint)
    this.#know(row, slot)
  }

  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[] {
    return this.#engine.conflicts(row, slot, footprint, beyond)
  }

  writers(lo: number, hi: number): Vector {
    return this.#engine.writers(lo, hi)
  }

  writersBeyond(keys: Uint32Array, beyond: Vector): Float64Array {
    return this.#engine.writersBeyond(keys, beyond)
  }

  commit(row: number, slot: number, deps: Vector | null): void {
    this.#engine.commit(row, slot, deps)
    const known = this.#know(row, slot)
    if (known.outcome === undefined) known.outcome = deps
  }

  execute(): Float64Array {
    const order = this.#engine.execute()
    for (let at = 0; at < order.length; ) {
      const size = order[at++] as number
      for (let i = 0; i < size; i++, at += 2) this.#know(order[at] as number, order[at + 1] as number).executed = true
    }
    return order
  }

  blocker(row: number, slot: number): InstanceId | null {
    return this.#engine.blocker(row, slot)
  }

  get pending(): number {
    return this.#engine.pending
  }

  truncate(floor: Vector): void {
    this.#engine.truncate(floor)
    this.#floor = this.#floor.map((slot, row) => Math.max(slot, floor[row] as number))
    if (++this.#truncations % 2 === 0) this.restart(this.#floor)
  }

  restart(floor: Vector): void {
    this.rebirths++
    const kept = [...this.#known.values()].filter(({ row, slot }) => slot > (floor[row] as number))
    const held = kept.map((known) => ({ ...known, footprint: this.#engine.footprint(known.row, known.slot) }))
    this.#engine.restart(floor)
    for (const { row, slot, footprint } of held.filter(({ executed }) => executed)) {
      this.#engine.enterExecuted(row, slot, footprint)
    }
    for (const { row, slot, footprint, outcome } of held.filter(({ executed }) => !executed)) {
      if (footprint !== null) this.#engine.enter(row, slot, footprint)
      if (outcome !== undefined) this.#engine.commit(row, slot, outcome)
    }
    this.#known.clear()
    for (const known of kept) this.#known.set(`${known.row}.${known.slot}`, known)
  }

  enterExecuted(row: number, slot: number, footprint: Footprint | null): void {
    this.#engine.enterExecuted(row, slot, footprint)
    const known = this.#know(row, slot)
    known.outcome = null
    known.executed = true
  }

  footprint(row: number, slot: number): Footprint | null {
    return this.#engine.footprint(row, slot)
  }

  get bytes(): number {
    return this.#engine.bytes
  }

  #know(row: number, slot: number): Known {
    const id = `${row}.${slot}`
    let known = this.#known.get(id)
    if (known === undefined) {
      known = { row, slot, outcome: undefined, executed: false }
      this.#known.set(id, known)
    }
    return known
  }
}
