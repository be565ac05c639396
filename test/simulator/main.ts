import { parseArgs } from 'node:util'
import { referenceEngine, wasmEngine } from '../support/engine-makers.ts'
import { drawOptions } from './options.ts'
import { Simulation } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'wasm' },
  },
})
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
  const start = performance.now()
  const o = await new Simulation(drawOptions(seed), values.engine === 'wasm' ? wasmEngine : referenceEngine).run()
  console.log(
    seed,
    o.options.replicas,
    o.options.machine,
    o.failure?.message ?? 'ok',
    o.virtualMs.toFixed(0),
    `${(performance.now() - start).toFixed(0)} ms`,
    o.traceHash,
    o.events,
    o.counters.get('operations'),
  )
  if (o.failure && Number(values.seeds) === 1) {
    console.log(JSON.stringify(o.options))
    console.log(o.lastEvents.join('\n'))
    console.log(o.failure.stack)
  }
}
