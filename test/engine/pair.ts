import type { Engine, InstanceId, Vector } from '../../src/engine/engine.ts'
import type { Footprint } from '../../src/engine/footprint.ts'

/** Two engines as one: every call goes to both, and their answers and errors must be equal. */
export class Pair implements Engine {
  readonly replicas: number
  readonly #one: Engine
  readonly #other: Engine
  calls = 0
  /** A hash of all answers so far. */
  fingerprint = 0

  constructor(one: Engine, other: Engine) {
    this.replicas = one.replicas
    this.#one = one
    this.#other = other
  }

  dependencies(row: number, slot: number, footprint: Footprint): Vector {
    return this.#both(`dependencies(${row}, ${slot}, ${footprint})`, (engine) =>
      engine.dependencies(row, slot, footprint),
    )
  }

  enter(row: number, slot: number, footprint: Footprint): void {
    this.#both(`enter(${row}, ${slot}, ${footprint})`, (engine) => engine.enter(row, slot, footprint))
  }

  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[] {
    const call = `conflicts(${row}, ${slot}, ${footprint}, ${beyond})`
    return this.#both(call, (engine) => engine.conflicts(row, slot, footprint, beyond))
  }

  writers(lo: number, hi: number): Vector {
    return this.#both(`writers(${lo}, ${hi})`, (engine) => engine.writers(lo, hi))
  }

  writersBeyond(keys: Uint32Array, beyond: Vector): Float64Array {
    return this.#both(`writersBeyond(${keys}, ${beyond})`, (engine) => engine.writersBeyond(keys, beyond))
  }

  commit(row: number, slot: number, deps: Vector | null): void {
    this.#both(`commit(${row}, ${slot}, ${deps})`, (engine) => engine.commit(row, slot, deps))
  }

  execute(): Float64Array {
    return this.#both('execute()', (engine) => engine.execute())
  }

  blocker(row: number, slot: number): InstanceId | null {
    return this.#both(`blocker(${row}, ${slot})`, (engine) => engine.blocker(row, slot))
  }

  get pending(): number {
    return this.#both('pending', (engine) => engine.pending)
  }

  truncate(floor: Vector): void {
    this.#both(`truncate(${floor})`, (engine) => engine.truncate(floor))
  }

  restart(floor: Vector): void {
    this.#both(`restart(${floor})`, (engine) => engine.restart(floor))
  }

  enterExecuted(row: number, slot: number, footprint: Footprint | null): void {
    this.#both(`enterExecuted(${row}, ${slot}, ${footprint})`, (engine) => engine.enterExecuted(row, slot, footprint))
  }

  footprint(row: number, slot: number): Footprint | null {
    return this.#both(`footprint(${row}, ${slot})`, (engine) => engine.footprint(row, slot))
  }

  get bytes(): number {
    return this.#one.bytes
  }

  #both<T>(call: string, ask: (engine: Engine) => T): T {
    this.calls++
    const one = outcome(this.#one, ask)
    const answer = show(one)
    const other = show(outcome(this.#other, ask))
    if (answer !== other) throw new Error(`call ${this.calls}, ${call}: ${answer} and ${other}`)
    this.fingerprint = hash(this.fingerprint, answer)
    if (one.error !== undefined) throw one.error
    return one.value as T
  }
}

interface Outcome<T> {
  readonly value?: T
  readonly error?: Error
}

function outcome<T>(engine: Engine, ask: (engine: Engine) => T): Outcome<T> {
  try {
    return { value: ask(engine) }
  } catch (error) {
    if (error instanceof RangeError) return { error }
    throw error
  }
}

function show({ value, error }: Outcome<unknown>): string {
  if (error !== undefined) return error.message
  return ArrayBuffer.isView(value) ? String(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function hash(start: number, text: string): number {
  let value = start
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}
