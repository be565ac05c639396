import type { Engine } from '../../src/engine/engine.ts'
import { loadEngine, ReferenceEngine } from '../../src/engine/index.ts'

/** The engine that the tests of the layers above it use: `EPAXOS_TEST_ENGINE=wasm|reference`, by default wasm. */
export const testEngineKind: 'wasm' | 'reference' = kindOf(process.env.EPAXOS_TEST_ENGINE)

/** A new one. */
export async function testEngine(replicas: number): Promise<Engine> {
  return testEngineKind === 'reference' ? new ReferenceEngine(replicas) : await loadEngine({ replicas })
}

function kindOf(name: string | undefined): 'wasm' | 'reference' {
  if (name === undefined || name === '' || name === 'wasm') return 'wasm'
  if (name === 'reference') return 'reference'
  throw new RangeError(`EPAXOS_TEST_ENGINE is wasm or reference, not ${name}`)
}
