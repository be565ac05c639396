import type { Engine } from '../../src/engine/engine.ts'
import { EVERYTHING, type Footprint, loadEngine, ReferenceEngine } from '../../src/engine/index.ts'

/** Both implementations, with their names in test titles. */
export const engines: readonly { readonly name: string; readonly open: (replicas: number) => Promise<Engine> }[] = [
  { name: 'reference', open: async (replicas) => new ReferenceEngine(replicas) },
  { name: 'wasm', open: (replicas) => loadEngine({ replicas }) },
]

/** A footprint of keys named by small numbers. */
export function footprint(writes: readonly number[], reads: readonly number[] = []): Footprint {
  return Uint32Array.of(writes.length, ...[...writes, ...reads].flatMap((key) => [key, 0]))
}

export const write = (...keys: number[]): Footprint => footprint(keys)
export const read = (...keys: number[]): Footprint => footprint([], keys)
export const barrier: Footprint = Uint32Array.of(EVERYTHING)

/** Executes; the components as text, e.g. `['0.1', '0.2 1.1']`. */
export function executed(engine: Engine): string[] {
  const order = engine.execute()
  const found: string[] = []
  for (let at = 0; at < order.length; ) {
    const size = order[at++] as number
    const members: string[] = []
    for (let i = 0; i < size; i++, at += 2) members.push(`${order[at]}.${order[at + 1]}`)
    found.push(members.join(' '))
  }
  return found
}
