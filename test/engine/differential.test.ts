import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadEngine, ReferenceEngine } from '../../src/engine/index.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { Pair } from './pair.ts'
import { Reborn } from './reborn.ts'
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

/** Each pairs an engine that goes on with one that starts anew, and with the other implementation. */
const REBORN = [
  ['wasm', (replicas: number) => loadEngine({ replicas }), (replicas: number) => new ReferenceEngine(replicas)],
  [
    'reference',
    async (replicas: number) => new ReferenceEngine(replicas),
    (replicas: number) => new ReferenceEngine(replicas),
  ],
] as const

for (const [name, open, other] of REBORN) {
  const firstSeed = freshSeed()
  differential(
    `${name}: restarted from what it held, it answers like one that goes on (seed ${firstSeed})`,
    async () => {
      let [operations, rebirths] = [0, 0]
      for (let seed = firstSeed; operations < OPERATIONS / 4; seed++) {
        const random = new Random(seed)
        const shape = drawShape(random)
        const reborn = new Reborn(await open(shape.replicas))
        const pair = new Pair(reborn, other(shape.replicas))
        const schedule = new Schedule(random, shape, pair)
        try {
          while (pair.calls < shape.operations) schedule.step()
          schedule.drain()
        } catch (error) {
          throw new Error(`seed ${seed}, ${JSON.stringify(shape)}: ${(error as Error).message}`, { cause: error })
        }
        operations += pair.calls
        rebirths += reborn.rebirths
      }
      assert.ok(rebirths > OPERATIONS / 1000, `${rebirths} restarts`)
    },
  )
}

differential.run()
