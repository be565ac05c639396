import { Random } from '../support/random.ts'
import type { Input } from './inputs.ts'
import { type Found, type Limits, secondsSince } from './search.ts'
import { type Bounds, System } from './system.ts'

/** Random walks within the bounds, where looking at every state is out of reach. Each has its own seed: `seed`, `seed` + 1, … */
export function walk(
  bounds: Bounds,
  { walks, steps, seed }: { readonly walks: number; readonly steps: number; readonly seed: number },
  limits: Limits,
): Found & { readonly walks: number } {
  const system = new System(bounds)
  const [startedAt, cpuAt] = [performance.now(), process.cpuUsage()]
  let [done, transitions, depth] = [0, 0, 0]
  let violation: Found['violation'] = null
  while (done < walks && violation === null && performance.now() - startedAt < limits.minutes * 60_000) {
    const trace: string[] = []
    const property = walkOnce(system, new Random(seed + done), steps, trace)
    done++
    transitions += trace.length
    depth = Math.max(depth, trace.length)
    if (property !== '') violation = { property: `${property} (walk of seed ${seed + done - 1})`, trace }
  }
  return {
    walks: done,
    states: transitions,
    transitions,
    depth,
    ...secondsSince(startedAt, cpuAt),
    localStates: system.localStates,
    runs: system.runs,
    exhausted: false,
    violation,
  }
}

/** Takes each step with equal chance, among the kinds of what can happen first: otherwise most would be deliveries. */
function walkOnce(system: System, random: Random, steps: number, trace: string[]): string {
  const state = new Uint32Array(system.width)
  const next = new Uint32Array(system.width)
  for (let step = 0; step < steps; step++) {
    let seen = 0
    let taken: Input | null = null
    let property = ''
    system.steps(state, (child, input, violation) => {
      // One of those seen so far, each with the chance of its weight: deliveries come before what makes them void.
      const weight = input.kind === 'deliver' ? 4 : 1
      seen += weight
      if (property !== '' || (violation === '' && random.next() * seen >= weight)) return
      next.set(child)
      taken = input
      property = violation
    })
    if (taken === null) return ''
    trace.push((taken as Input).text)
    if (property !== '') return property
    state.set(next)
  }
  return ''
}
