import { loadEngine, ReferenceEngine } from '../../src/engine/index.ts'
import { Random } from '../support/random.ts'
import { Pair } from './pair.ts'
import { drawShape, Schedule } from './schedule.ts'

/** Runs a few schedules on both engines, in any environment; returns their answers as text. */
export async function fingerprint(): Promise<string> {
  let calls = 0
  let hash = 0
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed)
    const shape = drawShape(random)
    const pair = new Pair(await loadEngine({ replicas: shape.replicas }), new ReferenceEngine(shape.replicas))
    const schedule = new Schedule(random, shape, pair)
    while (pair.calls < shape.operations) schedule.step()
    schedule.drain()
    calls += pair.calls
    hash = (hash * 31 + pair.fingerprint) >>> 0
  }
  return `${calls} calls, answers ${hash}`
}
