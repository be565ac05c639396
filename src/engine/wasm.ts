import { EpaxosError, ErrorCode } from '../errors.ts'
import { byInstance, type Engine, type InstanceId, type Vector } from './engine.ts'
import type { Footprint } from './footprint.ts'
import { checkFootprint, checkInstance, checkKey, checkKeys, checkReplicas, checkVector } from './ranges.ts'

/** What assembly/index.ts exports. */
export interface EngineExports {
  readonly memory: WebAssembly.Memory
  readonly liveBytes: WebAssembly.Global
  open(replicas: number): void
  vectorArea(): number
  footprintArea(words: number): number
  outputAddress(): number
  dependencies(row: number, slot: number, words: number): void
  enter(row: number, slot: number, words: number): void
  conflicts(words: number): number
  writers(lo: number, hi: number): void
  writersBeyond(keys: number): number
  commit(row: number, slot: number): number
  commitNoop(row: number, slot: number): void
  execute(): number
  blockedSlot(row: number, slot: number): number
  blockedRow(): number
  pending(): number
  truncate(): number
  begin(): void
  enterExecuted(row: number, slot: number, words: number): number
  footprint(row: number, slot: number): number
}

/** What the engine imports. */
export const engineImports: WebAssembly.Imports = {
  host: {
    outOfMemory: () => {
      throw noMemory('it has grown to its limit, or the system gives no more')
    },
  },
}

/** The engine does not get the memory that it needs. */
export function noMemory(why: string, options?: ErrorOptions): EpaxosError {
  return new EpaxosError(
    ErrorCode.resources,
    `no memory for the engine in WebAssembly (the reference engine needs none): ${why}`,
    options,
  )
}

const NOTHING = new Float64Array(0)

/**
 * The engine in WebAssembly: writes input into the instance's memory and reads results from it. Made by `loadEngine`.
 */
export class WasmEngine implements Engine {
  readonly replicas: number
  readonly #instantiate: () => EngineExports
  #wasm!: EngineExports
  #vectorAt = 0
  /** Views of the memory. They become empty when the memory grows, and are then made anew. */
  #numbers = NOTHING
  #words = new Uint32Array(0)

  /** @param instantiate makes an instance of the module, which nobody else uses */
  constructor(instantiate: () => EngineExports, replicas: number) {
    checkReplicas(replicas)
    this.replicas = replicas
    this.#instantiate = instantiate
    this.#open()
  }

  #open(): void {
    this.#wasm = this.#instantiate()
    this.#wasm.open(this.replicas)
    this.#vectorAt = this.#wasm.vectorArea() >>> 3
    this.#numbers = NOTHING
  }

  dependencies(row: number, slot: number, footprint: Footprint): Vector {
    checkInstance(this.replicas, row, slot)
    this.#layFootprint(footprint)
    this.#wasm.dependencies(row, slot, footprint.length)
    return this.#readVector()
  }

  enter(row: number, slot: number, footprint: Footprint): void {
    checkInstance(this.replicas, row, slot)
    this.#layFootprint(footprint)
    this.#wasm.enter(row, slot, footprint.length)
  }

  conflicts(row: number, slot: number, footprint: Footprint, beyond: Vector): InstanceId[] {
    checkInstance(this.replicas, row, slot)
    checkVector(this.replicas, beyond)
    this.#layFootprint(footprint)
    this.#layVector(beyond)
    const count = this.#wasm.conflicts(footprint.length)
    this.#refresh()
    const found: InstanceId[] = []
    let at = this.#wasm.outputAddress() >>> 3
    for (let i = 0; i < count; i++, at += 2) {
      const id = { row: this.#numbers[at] as number, slot: this.#numbers[at + 1] as number }
      if (id.row !== row || id.slot !== slot) found.push(id)
    }
    return found.sort(byInstance)
  }

  writers(lo: number, hi: number): Vector {
    checkKey(lo, hi)
    this.#wasm.writers(lo, hi)
    return this.#readVector()
  }

  writersBeyond(keys: Uint32Array, beyond: Vector): Float64Array {
    checkKeys(keys)
    checkVector(this.replicas, beyond)
    const at = this.#wasm.footprintArea(keys.length) >>> 2
    this.#refresh()
    this.#words.set(keys, at)
    this.#layVector(beyond)
    const triples = this.#wasm.writersBeyond(keys.length >>> 1)
    if (triples === 0) return NOTHING
    return new Float64Array(this.#wasm.memory.buffer, this.#wasm.outputAddress() >>> 0, 3 * triples)
  }

  commit(row: number, slot: number, deps: Vector | null): void {
    checkInstance(this.replicas, row, slot)
    if (deps === null) {
      this.#wasm.commitNoop(row, slot)
      return
    }
    checkVector(this.replicas, deps)
    this.#layVector(deps)
    if (!this.#wasm.commit(row, slot))
      throw new RangeError(`${row}.${slot} is committed before its payload was entered`)
  }

  execute(): Float64Array {
    const count = this.#wasm.execute()
    if (count === 0) return NOTHING
    return new Float64Array(this.#wasm.memory.buffer, this.#wasm.outputAddress() >>> 0, count)
  }

  blocker(row: number, slot: number): InstanceId | null {
    checkInstance(this.replicas, row, slot)
    const blocked = this.#wasm.blockedSlot(row, slot)
    return blocked === 0 ? null : { row: this.#wasm.blockedRow(), slot: blocked }
  }

  get pending(): number {
    return this.#wasm.pending() >>> 0
  }

  truncate(floor: Vector): void {
    checkVector(this.replicas, floor)
    this.#layVector(floor)
    if (!this.#wasm.truncate()) throw new RangeError(`not all up to ${floor} has executed`)
  }

  restart(floor: Vector): void {
    checkVector(this.replicas, floor)
    this.#open()
    this.#layVector(floor)
    this.#wasm.begin()
  }

  enterExecuted(row: number, slot: number, footprint: Footprint | null): void {
    checkInstance(this.replicas, row, slot)
    if (footprint !== null) this.#layFootprint(footprint)
    if (!this.#wasm.enterExecuted(row, slot, footprint?.length ?? 0)) throw new RangeError(`${row}.${slot} is known`)
  }

  footprint(row: number, slot: number): Footprint | null {
    checkInstance(this.replicas, row, slot)
    const words = this.#wasm.footprint(row, slot) >>> 0
    if (words === 0) return null
    const at = this.#wasm.footprintArea(words) >>> 2
    this.#refresh()
    return this.#words.slice(at, at + words)
  }

  get bytes(): number {
    return this.#wasm.liveBytes.value
  }

  #layFootprint(footprint: Footprint): void {
    checkFootprint(footprint)
    const at = this.#wasm.footprintArea(footprint.length) >>> 2
    this.#refresh()
    this.#words.set(footprint, at)
  }

  #layVector(vector: Vector): void {
    this.#refresh()
    for (let row = 0; row < this.replicas; row++) this.#numbers[this.#vectorAt + row] = vector[row] as number
  }

  #readVector(): Vector {
    this.#refresh()
    const vector: number[] = []
    for (let row = 0; row < this.replicas; row++) vector.push(this.#numbers[this.#vectorAt + row] as number)
    return vector
  }

  #refresh(): void {
    if (this.#numbers.length !== 0) return
    this.#numbers = new Float64Array(this.#wasm.memory.buffer)
    this.#words = new Uint32Array(this.#wasm.memory.buffer)
  }
}
