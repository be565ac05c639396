import type { Engine, InstanceId, Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'

/** Learns what goes into an engine and comes out of it. */
export interface EngineWatch {
  /** Its payload became known, other than by {@link preAccepted}. */
  learned(row: number, slot: number, footprint: Footprint): void
  /** Its dependencies were requested: it is proposed or pre-accepted here. */
  preAccepted(row: number, slot: number, footprint: Footprint): void
  committed(row: number, slot: number, deps: Vector | null): void
  /** Components as {@link Engine.execute} returns them; `pending` instances are committed and wait. */
  executed(order: Float64Array, pending: number): void
}

/** An engine that reports its input and output. */
export class WatchedEngine implements Engine {
  readonly #engine: Engine
  readonly #watch: EngineWatch

  constructor(engine: Engine, watch: EngineWatch) {
    this.#engine = engine
    this.#watch = watch
  }

  get replicas(): number {
    return this.#engine.replicas
  }

  dependencies(row: number, slot: number, footprint: Footprint): Vector {
    this.#watch.preAccepted(row, slot, footprint)
    return this.#engine.dependencies(row, slot, footprint)
  }

  enter(row: number, slot: number, footprint: Footprint): void {
    this.#watch.learned(row, slot, footprint)
    this.#engine.enter(row, slot, footprint)
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
    this.#watch.committed(row, slot, deps)
    this.#engine.commit(row, slot, deps)
  }

  execute(): Float64Array {
    // A copy, because the count asks the engine again.
    const order = this.#engine.execute().slice()
    this.#watch.executed(order, this.#engine.pending)
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
  }

  restart(floor: Vector): void {
    this.#engine.restart(floor)
  }

  enterExecuted(row: number, slot: number, footprint: Footprint | null): void {
    if (footprint !== null) this.#watch.learned(row, slot, footprint)
    this.#engine.enterExecuted(row, slot, footprint)
  }

  footprint(row: number, slot: number): Footprint | null {
    return this.#engine.footprint(row, slot)
  }

  get bytes(): number {
    return this.#engine.bytes
  }
}
