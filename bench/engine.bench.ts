/**
 * Both engines at the same work, from one table of cases: `node --import tsx bench/engine.bench.ts`. One task is one
 * window: its instances get dependencies, are committed, execute and are truncated. The hash covers all dependencies
 * and the execution order. It must be equal for both engines, otherwise the figures compare different work.
 */
import { Bench } from 'tinybench'
import type { Engine, Vector } from '../src/engine/engine.ts'
import { type Footprint, loadEngine, ReferenceEngine } from '../src/engine/index.ts'

const REPLICAS = 3

interface Case {
  readonly name: string
  readonly instances: number
  readonly keysPerInstance: number
  /** The number of keys to draw from. */
  readonly keys: number
  /** Instances in flight: each commits when this many more have been proposed. */
  readonly inFlight: number
}

const cases: readonly Case[] = [
  { name: 'batches of 300, 1 M random keys', instances: 300, keysPerInstance: 300, keys: 1_000_000, inFlight: 6 },
  { name: 'batches of 300, 1000 hot keys', instances: 90, keysPerInstance: 300, keys: 1_000, inFlight: 6 },
  { name: 'single commands, 1 M random keys', instances: 3_000, keysPerInstance: 1, keys: 1_000_000, inFlight: 6 },
  { name: 'single commands, all of one key', instances: 3_000, keysPerInstance: 1, keys: 1, inFlight: 30 },
]

/** A window of work that starts where the engine's floor is. */
class Work {
  hash = 0
  readonly #engine: Engine
  readonly #case: Case
  readonly #footprints: Footprint[]
  #done = 0

  constructor(engine: Engine, work: Case) {
    this.#engine = engine
    this.#case = work
    this.#footprints = Array.from({ length: work.instances }, (_, i) => footprint(i, work))
  }

  run(): void {
    const flight: { row: number; slot: number; deps: Vector }[] = []
    for (const words of this.#footprints) {
      const row = this.#done % REPLICAS
      const slot = Math.floor(this.#done / REPLICAS) + 1
      this.#done++
      const deps = this.#engine.dependencies(row, slot, words)
      for (const dependency of deps) this.#mix(dependency)
      flight.push({ row, slot, deps })
      if (flight.length > this.#case.inFlight) this.#finish(flight.shift())
    }
    while (flight.length > 0) this.#finish(flight.shift())
    this.#engine.truncate(new Array(REPLICAS).fill(this.#done / REPLICAS))
  }

  #finish(instance: { row: number; slot: number; deps: Vector } | undefined): void {
    if (instance === undefined) return
    this.#engine.commit(instance.row, instance.slot, instance.deps)
    for (const number of this.#engine.execute()) this.#mix(number)
  }

  #mix(number: number): void {
    this.hash = Math.imul(this.hash ^ number, 0x01000193) >>> 0
  }
}

function footprint(instance: number, { keysPerInstance, keys }: Case): Footprint {
  const words = new Uint32Array(1 + 2 * keysPerInstance)
  words[0] = keysPerInstance
  for (let i = 0; i < keysPerInstance; i++) {
    const key = (Math.imul(instance * keysPerInstance + i + 1, 0x9e3779b1) >>> 0) % keys
    words[1 + 2 * i] = Math.imul(key, 0x85ebca6b)
    words[2 + 2 * i] = Math.imul(key ^ 0x5555, 0xc2b2ae35)
  }
  return words
}

for (const work of cases) {
  const engines = { wasm: await loadEngine({ replicas: REPLICAS }), reference: new ReferenceEngine(REPLICAS) }
  const first = Object.values(engines).map((engine) => {
    const window = new Work(engine, work)
    window.run()
    return window.hash.toString(16)
  })
  console.log(`\n${work.name}; outcome ${first.join(' and ')}`)
  if (first[0] !== first[1]) process.exitCode = 1
  const bench = new Bench({ time: 1000, warmupTime: 200 })
  for (const [name, make] of Object.entries({
    wasm: () => loadEngine({ replicas: REPLICAS }),
    reference: async () => new ReferenceEngine(REPLICAS),
  })) {
    const window = new Work(await make(), work)
    bench.add(name, () => window.run())
  }
  await bench.run()
  const keys = work.instances * work.keysPerInstance
  for (const { name, result } of bench.tasks) {
    if (!('latency' in result)) throw new Error(`${name}: ${result.state}`)
    console.log(`  ${name.padEnd(10)} ${((result.latency.p50 * 1e6) / keys).toFixed(0).padStart(7)} ns per key`)
  }
}
