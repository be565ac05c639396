import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadEngine, ReferenceEngine } from '../../src/engine/index.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { Pair } from './pair.ts'
import { drawShape, Schedule } from './schedule.ts'

const differential = suite('engine: differential')

const OPERATIONS = 520_000

for (const [name, firstSeed] of [
  ['fixed', 20_251_121],
  ['fresh', freshSeed()],
] as const) {
  differential(`wasm and reference answer alike, from the ${name} seed ${firstSeed} on`, async () => {
    const reached = { inComponents: 0, executions: 0, blocked: 0 }
    let operations = 0
    for (let seed = firstSeed; operations < OPERATIONS; seed++) {
      const random = new Random(seed)
      const shape = drawShape(random)
      const pair = new Pair(await loadEngine({ replicas: shape.replicas }), new ReferenceEngine(shape.replicas))
      const schedule = new Schedule(random, shape, pair)
      try {
        while (pair.calls < shape.operations) schedule.step()
        schedule.drain()
      } catch (error) {
        throw new Error(`seed ${seed}, ${JSON.stringify(shape)}: ${(error as Error).message}`, { cause: error })
      }
      operations += pair.calls
      for (const count of ['inComponents', 'executions', 'blocked'] as const) reached[count] += schedule[count]
    }
    assert.ok(reached.executions > OPERATIONS / 10, `${reached.executions} executions`)
    assert.ok(reached.inComponents > OPERATIONS / 100, `${reached.inComponents} executed in larger components`)
    assert.ok(reached.blocked > OPERATIONS / 1000, `${reached.blocked} blockers`)
    volume('differential engine operations', operations)
  })
}

differential.run()
