import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Engine } from './engine.ts'
import { engineWasm } from './generated/engine-wasm.ts'
import { checkReplicas } from './ranges.ts'
import { warmUp } from './warm-up.ts'
import { type EngineExports, engineImports, noMemory, WasmEngine } from './wasm.ts'

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
 * Errors: `RangeError` if the number of replicas is out of range; `EpaxosError` with code `resources` if there is no
 * memory for it (each engine reserves about 10 GiB of addresses), and `unsupported_platform` if it does not run here.
 */
export async function loadEngine(options: EngineOptions): Promise<Engine> {
  checkReplicas(options.replicas)
  compiled ??= compile()
  const module = await compiled
  if (options.warmUp !== false && !warm) {
    warm = true
    warmUp(instantiate(module, 3))
  }
  return instantiate(module, options.replicas)
}

function instantiate(module: WebAssembly.Module, replicas: number): Engine {
  return new WasmEngine(() => exportsOf(module), replicas)
}

async function compile(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(Uint8Array.from(atob(engineWasm), (character) => character.charCodeAt(0)))
  } catch (cause) {
    const why = `the engine in WebAssembly does not run here: ${(cause as Error).message}`
    throw new EpaxosError(ErrorCode.unsupportedPlatform, why, { cause })
  }
}

function exportsOf(module: WebAssembly.Module): EngineExports {
  try {
    return new WebAssembly.Instance(module, engineImports).exports as unknown as EngineExports
  } catch (cause) {
    throw noMemory((cause as Error).message, { cause })
  }
}
