import type { Engine } from './engine.ts'
import { engineWasm } from './generated/engine-wasm.ts'
import { warmUp } from './warm-up.ts'
import { type EngineExports, WasmEngine } from './wasm.ts'

export interface EngineOptions {
  /** The number of rows, from 1 to 16. */
  readonly replicas: number
  /**
   * Runs some thousand operations on another engine first, once per process, so that V8 has compiled the fast machine
   * code before the first call. Default true.
   */
  readonly warmUp?: boolean
}

/** Compiled once per process. */
let compiled: Promise<WebAssembly.Module> | undefined
let warm = false

/**
 * Makes a WebAssembly engine, in Node, browsers and workers, without file access. Every engine has its own memory.
 * Errors: `RangeError` if the number of replicas is out of range.
 */
export async function loadEngine(options: EngineOptions): Promise<Engine> {
  compiled ??= WebAssembly.compile(Uint8Array.from(atob(engineWasm), (character) => character.charCodeAt(0)))
  const module = await compiled
  if (options.warmUp !== false && !warm) {
    warm = true
    warmUp(instantiate(module, 3))
  }
  return instantiate(module, options.replicas)
}

function instantiate(module: WebAssembly.Module, replicas: number): Engine {
  return new WasmEngine(new WebAssembly.Instance(module).exports as unknown as EngineExports, replicas)
}
