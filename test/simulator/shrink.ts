import type { EngineMaker } from '../support/engine-makers.ts'
import type { Options } from './options.ts'
import type { Sabotage } from './sabotage.ts'
import { type Outcome, Simulation } from './simulation.ts'

export interface Shrunk {
  readonly outcome: Outcome
  /** Simulations run so far. */
  readonly runs: number
}

/**
 * Looks for a shorter way to a failure: leaves out faults, by halves and then one by one, quiets the network, the
 * clocks and the disks, sends fewer commands, ends sooner. Keeps what still fails, in whatever way.
 */
export class Shrinker {
  readonly #engine: EngineMaker
  readonly #sabotage: Sabotage
  #best: Outcome
  #runs = 0

  constructor(failed: Outcome, engine: EngineMaker, sabotage: Sabotage = {}) {
    this.#best = failed
    this.#engine = engine
    this.#sabotage = sabotage
  }

  async run(): Promise<Shrunk> {
    for (let before = Number.POSITIVE_INFINITY; this.#best.events < before; ) {
      before = this.#best.events
      await this.#endSooner()
      await this.#dropFaults()
      for (const simpler of SIMPLER) await this.#try(simpler(this.#best.options))
    }
    return { outcome: this.#best, runs: this.#runs }
  }

  async #dropFaults(): Promise<void> {
    for (let size = this.#best.options.faults.length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < this.#best.options.faults.length; ) {
        const { faults } = this.#best.options
        const without = faults.filter((_, i) => i < at || i >= at + size)
        if (!(await this.#try({ ...this.#best.options, faults: without }))) at += size
      }
    }
  }

  /** The safety phase lasts no longer than to the failure; later faults did not matter. */
  async #endSooner(): Promise<void> {
    const { options, virtualMs } = this.#best
    const durationMs = Math.min(options.durationMs, Math.ceil(virtualMs))
    const faults = options.faults.filter(({ atMs }) => atMs <= durationMs)
    await this.#try({ ...options, durationMs, faults })
    await this.#try({ ...options, durationMs: Math.ceil(durationMs / 2) })
  }

  async #try(options: Options): Promise<boolean> {
    if (JSON.stringify(options) === JSON.stringify(this.#best.options)) return false
    this.#runs++
    const outcome = await new Simulation(options, this.#engine, this.#sabotage).run()
    if (outcome.failure === null || outcome.events > this.#best.events) return false
    this.#best = outcome
    return true
  }
}

/** Each makes one thing simpler. */
const SIMPLER: readonly ((options: Options) => Options)[] = [
  (o) => ({ ...o, network: { ...o.network, loss: 0 } }),
  (o) => ({ ...o, network: { ...o.network, duplicate: 0 } }),
  (o) => ({ ...o, network: { ...o.network, lostCommit: 0 } }),
  (o) => ({ ...o, network: { ...o.network, lostOk: 0 } }),
  (o) => ({ ...o, network: { ...o.network, deaf: 0 } }),
  (o) => ({ ...o, network: { ...o.network, ordered: true } }),
  (o) => ({ ...o, network: { ...o.network, split: false } }),
  (o) => ({ ...o, disk: { ...o.disk, keeps: false } }),
  (o) => ({ ...o, disk: { ...o.disk, mostMs: o.disk.leastMs } }),
  (o) => ({ ...o, clockRates: o.clockRates.map(() => 1) }),
  (o) => ({ ...o, keys: { ...o.keys, transactions: 0 } }),
  (o) => ({ ...o, keys: { ...o.keys, reads: 0 } }),
  (o) => ({ ...o, keys: { ...o.keys, pools: [1] } }),
  (o) => ({ ...o, clients: { ...o.clients, hedge: 0, expire: 0 } }),
  (o) => ({ ...o, clients: { ...o.clients, window: 1 } }),
  (o) => ({ ...o, clients: { ...o.clients, operations: Math.ceil(o.clients.operations / 2) } }),
  (o) => ({ ...o, clients: { ...o.clients, count: Math.max(1, o.clients.count - 1) } }),
]
