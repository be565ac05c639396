/**
 * `epaxos/engine`: what commands depend on, and in which order committed ones execute; without network, disk or clock.
 *
 * ```ts
 * import { FootprintBuilder, loadEngine } from 'epaxos/engine'
 *
 * const engine = await loadEngine({ replicas: 3 })
 * const keys = new FootprintBuilder()
 * keys.write(new TextEncoder().encode('alice'))
 * keys.read(new TextEncoder().encode('bob'))
 * const deps = engine.dependencies(0, 1, keys.take())  // [0, 0, 0]: 0.1 is the first
 * engine.commit(0, 1, deps)                            // once replicas agree on it
 * engine.execute()                                     // [1, 0, 1]: a component of one, row 0, slot 1
 * engine.truncate([1, 0, 0])                           // once it has executed everywhere
 * ```
 */
export { byInstance, type Engine, type InstanceId, type Vector } from './engine.ts'
export {
  EVERYTHING,
  type Footprint,
  FootprintBuilder,
  hashed,
  hashKey,
  isFootprint,
  MAX_FOOTPRINT_KEYS,
} from './footprint.ts'
export { type EngineOptions, loadEngine } from './load.ts'
export { MAX_REPLICAS } from './ranges.ts'
export { ReferenceEngine } from './reference.ts'
