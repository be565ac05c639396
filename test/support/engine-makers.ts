import type { Engine } from '../../src/engine/engine.ts'
import { engineWasm } from '../../src/engine/generated/engine-wasm.ts'
import { ReferenceEngine } from '../../src/engine/reference.ts'
import { type EngineExports, engineImports, WasmEngine } from '../../src/engine/wasm.ts'

export interface EngineMaker {
  readonly kind: 'wasm' | 'reference'
  /** Makes a new engine synchronously, because simulated clusters make many. */
  readonly make: (replicas: number) => Engine
}

const compiled = new WebAssembly.Module(Uint8Array.from(atob(engineWasm), (character) => character.charCodeAt(0)))

export const referenceEngine: EngineMaker = { kind: 'reference', make: (replicas) => new ReferenceEngine(replicas) }

export const wasmEngine: EngineMaker = {
  kind: 'wasm',
  make: (replicas) =>
    new WasmEngine(
      () => new WebAssembly.Instance(compiled, engineImports).exports as unknown as EngineExports,
      replicas,
    ),
}

export const engineMakers: readonly EngineMaker[] = [wasmEngine, referenceEngine]
