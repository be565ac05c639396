import { Random } from '../support/random.ts'
import type { Input } from './inputs.ts'
import { type Found, type Limits, secondsSince } from './search.ts'
import { type Bounds, System } from './system.ts'

export interface Walks {
  readonly walks: number
  /** The maximum number of steps of one walk. */
  readonly steps: number
  /** Each walk has its own seed: `seed`, `seed` + 1, … */
  readonly seed: number
}

/**
 * Random walks within the bounds, for bounds too large to visit every state. The violations found are not the shortest.
 */
export function walk(
  bounds: Bounds,
  { walks, steps, seed }: Walks,
  limits: Limits,
): Found & { readonly walks: number } {
  const system = new System({ ...bounds, plain: true })
  const [startedAt, cpuAt] = [performance.now(), process.cpuUsage()]
  let [done, transitions, depth] = [0, 0, 0]
  let violation: Found['violation'] = null
  while (done < walks && violation === null && performance.now() - startedAt < limits.minutes * 60_000) {
    const trace: string[] = []
    const property = new Walk(system, new Random(seed + done), trace).go(steps)
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

interface Choice {
  readonly id: number
  readonly input: Input
}

/** One walk. A message leaves the network when it arrives; now and then it stays, to arrive again. */
class Walk {
  readonly #system: System
  readonly #random: Random
  readonly #trace: string[]
  readonly #state: Uint32Array
  /** The replicas that nobody hears from some step on: coordinators, so that others have to recover. */
  readonly #muted: readonly number[]
  readonly #mutedFrom: number
  readonly #oddsOfRecovery: number
  readonly #oddsOfRepetition: number

  constructor(system: System, random: Random, trace: string[]) {
    this.#system = system
    this.#random = random
    this.#trace = trace
    this.#state = new Uint32Array(system.width)
    const { proposers, replicas } = system.bounds
    const crashes = Math.floor((replicas - 1) / 2)
    const first = random.below(proposers.length)
    const order = proposers.map((_, i) => proposers[(first + i) % proposers.length] as number)
    this.#muted = random.chance(0.7) ? order.slice(0, random.below(crashes + 1)) : []
    this.#mutedFrom = random.pick([0, 5, 10, 20, 40])
    this.#oddsOfRecovery = random.pick([0.02, 0.05, 0.1, 0.2])
    this.#oddsOfRepetition = random.pick([0, 0.05, 0.2])
  }

  /** Returns the property that it violates, '' for none. */
  go(steps: number): string {
    const together = this.#random.chance(0.7)
    for (let step = 0; step < steps; step++) {
      const choice = (together ? this.#proposal() : null) ?? this.#own() ?? this.#delivery(step)
      if (choice === null) continue
      const violation = this.#system.take(this.#state, choice.id, choice.input)
      this.#trace.push(choice.input.text)
      if (violation !== '') return violation
    }
    return ''
  }

  #proposal(): Choice | null {
    const { instances, proposers } = this.#system.bounds
    const used = this.#system.proposals(this.#state)
    if (used >= instances) return null
    const id = proposers[used % proposers.length] as number
    return { id, input: { kind: 'propose', text: `propose ${id}` } }
  }

  /** What happens by itself, with small probabilities. */
  #own(): Choice | null {
    const random = this.#random
    const { replicas } = this.#system.bounds
    if (random.chance(0.05)) return this.#proposal()
    const id = random.below(replicas)
    if (random.chance(0.2)) {
      const expiry = this.#system.expiries(this.#state, id)
      if (expiry.length > 0) return { id, input: random.pick(expiry) }
    }
    if (!random.chance(this.#oddsOfRecovery)) return null
    const own = this.#system.own(this.#state, id)
    return own.length === 0 ? null : { id, input: random.pick(own) }
  }

  #delivery(step: number): Choice | null {
    const links: [number, number][] = []
    const { replicas } = this.#system.bounds
    for (let from = 0; from < replicas; from++) {
      for (let to = 0; to < replicas; to++) {
        const audible = step < this.#mutedFrom || (!this.#muted.includes(from) && !this.#muted.includes(to))
        if (audible && this.#system.inFlight(this.#state, from, to).length > 0) links.push([from, to])
      }
    }
    if (links.length === 0) return null
    const [from, to] = this.#random.pick(links)
    const number = this.#random.pick(this.#system.inFlight(this.#state, from, to))
    if (!this.#random.chance(this.#oddsOfRepetition)) this.#system.lose(this.#state, from, to, number)
    return { id: to, input: this.#system.input(to, number) }
  }
}
