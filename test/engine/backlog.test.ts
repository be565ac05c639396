import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../src/engine/engine.ts'
import { engineWasm } from '../../src/engine/generated/engine-wasm.ts'
import { loadEngine, MAX_FOOTPRINT_KEYS } from '../../src/engine/index.ts'
import { type EngineExports, engineImports, WasmEngine } from '../../src/engine/wasm.ts'
import { barrier, engines, read, write } from './engines.ts'

const backlog = suite('engine: backlog')

/** Long enough for quadratic work to take minutes, while the limit leaves room for a loaded machine. */
const LENGTH = 100_000
const LIMIT_MS = 10_000

const stories: Record<string, (engine: Engine, length: number) => number> = {
  'a chain committed from its end': (engine, length) => {
    for (let slot = 1; slot <= length; slot++) engine.enter(0, slot, write(1))
    let executed = 0
    for (let slot = length; slot >= 1; slot--) {
      engine.commit(0, slot, [slot - 1, 0, 0])
      executed += engine.execute().length / 3
    }
    return executed
  },
  'a chain behind one blocker': (engine, length) => {
    engine.enter(0, 1, write(1))
    for (let slot = 1; slot < length; slot++) {
      engine.enter(1, slot, write(1))
      engine.commit(1, slot, [1, slot - 1, 0])
      assert.is(engine.execute().length, 0)
    }
    engine.commit(0, 1, [0, 0, 0])
    return engine.execute().length / 3
  },
  'reads behind one blocker, and what depends on them all': (engine, length) => {
    engine.enter(0, 1, write(1))
    for (let slot = 1; slot <= length - 3; slot++) {
      engine.enter(1, slot, read(1))
      engine.commit(1, slot, [1, slot - 1, 0])
      assert.is(engine.execute().length, 0)
    }
    engine.enter(2, 1, write(1))
    engine.commit(2, 1, [1, length - 3, 0])
    engine.enter(2, 2, barrier)
    engine.commit(2, 2, [1, length - 3, 1])
    assert.is(engine.execute().length, 0)
    engine.commit(0, 1, [0, 0, 0])
    return engine.execute().length / 3
  },
  'a write and a barrier over reads that commit one by one': (engine, length) => {
    for (let slot = 1; slot <= length - 2; slot++) engine.enter(1, slot, read(1))
    engine.enter(2, 1, write(1))
    engine.commit(2, 1, [0, length - 2, 0])
    engine.enter(2, 2, barrier)
    engine.commit(2, 2, [0, length - 2, 1])
    let executed = engine.execute().length / 3
    for (let slot = length - 2; slot >= 1; slot--) {
      engine.commit(1, slot, [0, slot - 1, 0])
      executed += engine.execute().length / 3
    }
    return executed
  },
  'payloads that come last': (engine, length) => {
    for (let slot = 1; slot <= length / 2; slot++) {
      engine.enter(0, slot, write(1))
      engine.commit(0, slot, [slot - 1, slot, 0])
      engine.execute()
    }
    let executed = 0
    for (let slot = length / 2; slot >= 1; slot--) {
      engine.enter(1, slot, write(2))
      executed += engine.execute().length / 3
    }
    for (let slot = 1; slot <= length / 2; slot++) engine.commit(1, slot, [0, slot - 1, 0])
    return executed + engine.execute().length / 3
  },
}

for (const { name, open } of engines) {
  const length = name === 'wasm' ? LENGTH : 500
  for (const [story, run] of Object.entries(stories)) {
    backlog(`${name}: ${story}, ${length} instances`, async () => {
      const engine = await open(3)
      const started = process.cpuUsage()
      assert.is(run(engine, length), length)
      assert.is(engine.pending, 0)
      const { user, system } = process.cpuUsage(started)
      assert.ok(user + system < LIMIT_MS * 1000, `${(user + system) / 1000} ms`)
    })
  }
}

backlog('wasm: memory does not grow while a window moves on', async () => {
  await loadEngine({ replicas: 3 })
  const module = await WebAssembly.compile(Uint8Array.from(atob(engineWasm), (character) => character.charCodeAt(0)))
  const wasm = new WebAssembly.Instance(module, engineImports).exports as unknown as EngineExports
  const engine = new WasmEngine(() => wasm, 3)
  let settled = 0
  for (let slot = 1; slot <= 60_000; slot++) {
    const row = slot % 3
    engine.commit(row, Math.ceil(slot / 3), engine.dependencies(row, Math.ceil(slot / 3), write(slot, slot + 1, 0)))
    engine.execute()
    if (slot % 300 === 0) engine.truncate([slot / 3 - 60, slot / 3 - 60, slot / 3 - 60])
    if (slot === 3_000) settled = wasm.memory.buffer.byteLength
  }
  assert.is(wasm.memory.buffer.byteLength, settled)
})

backlog('wasm: an engine that gets no more memory throws an error with a code', async () => {
  const module = await WebAssembly.compile(Uint8Array.from(atob(engineWasm), (character) => character.charCodeAt(0)))
  const wasm = new WebAssembly.Instance(module, engineImports).exports as unknown as EngineExports
  const engine = new WasmEngine(() => wasm, 3)
  // All that it could grow by, which takes addresses and no memory.
  wasm.memory.grow(65_536 - wasm.memory.buffer.byteLength / 65_536)
  const fill = () => {
    for (let slot = 1; slot < 1_000_000; slot++) engine.enter(0, slot, write(slot, slot, 0))
  }
  assert.throws(fill, (error: { code?: string }) => error.code === 'resources')
})

backlog('wasm: the largest footprint fits', async () => {
  const engine = await loadEngine({ replicas: 3 })
  const words = new Uint32Array(1 + 2 * MAX_FOOTPRINT_KEYS)
  words[0] = MAX_FOOTPRINT_KEYS
  for (let i = 1; i < words.length; i++) words[i] = i
  assert.equal(engine.dependencies(0, 1, words), [0, 0, 0])
  assert.equal(engine.dependencies(1, 1, Uint32Array.of(0, words.length - 2, words.length - 1)), [1, 0, 0])
  engine.commit(0, 1, [0, 0, 0])
  engine.execute()
  engine.truncate([1, 0, 0])
  assert.equal(engine.dependencies(1, 2, words), [0, 1, 0])
})

backlog.run()
