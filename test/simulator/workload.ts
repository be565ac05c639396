import type { StateMachine } from '../../src/execution/machine.ts'
import type { Model } from '../linearizability/history.ts'
import type { Random } from '../support/random.ts'
import type { KeyOptions, MachineKind, Options } from './options.ts'
import { keyValueWorkload } from './workload-key-value.ts'
import { listWorkload } from './workload-list.ts'
import { printWorkload } from './workload-print.ts'

/** What a client requests, as data; `pool` names the keys that are judged together. */
export interface Ask {
  readonly pool: string
  /** For people. */
  readonly text: string
}

/** What clients do with one state machine. */
export interface Workload<Input extends Ask = Ask> {
  readonly machine: () => StateMachine
  /** The next operation of a client; `unique` occurs in no other operation. */
  readonly draw: (random: Random, pool: Pool, unique: string) => Input
  readonly command: (input: Input) => Uint8Array
  /** A command that changes nothing that is judged, and occurs once; null if all commands occur once. */
  readonly marker: ((unique: string) => Uint8Array) | null
  /** The result in words, as the model returns it. */
  readonly output: (input: Input, result: Uint8Array) => string
  /** Operations that show the whole state of the pool. */
  readonly readAll: (pool: Pool) => Input[]
  // biome-ignore lint/suspicious/noExplicitAny: the state is the model's own affair.
  readonly model: Model<Input, string, any>
}

export interface Pool {
  readonly name: string
  readonly keys: readonly string[]
}

/** The current pools: keys are left behind as time goes on. */
export class Pools {
  readonly #options: KeyOptions
  readonly #used = new Map<string, Pool>()

  constructor(options: KeyOptions) {
    this.#options = options
  }

  /** Every pool that was drawn. */
  get used(): readonly Pool[] {
    return [...this.#used.values()]
  }

  /** One that was drawn. */
  named(name: string): Pool {
    return this.#used.get(name) ?? { name, keys: [name] }
  }

  draw(random: Random, nowMs: number): Pool {
    const { pools, hot, rotateMs } = this.#options
    const index = random.chance(hot) ? 0 : random.below(pools.length)
    const name = `${String.fromCharCode(97 + index)}${Math.floor(nowMs / rotateMs)}`
    let pool = this.#used.get(name)
    if (pool === undefined) {
      pool = { name, keys: Array.from({ length: pools[index] as number }, (_, key) => `${name}-${key}`) }
      this.#used.set(name, pool)
    }
    return pool
  }
}

/** Hides the types that only the workload itself needs. */
const WORKLOADS: Record<MachineKind, (keys: KeyOptions) => Workload> = {
  kv: (keys) => keyValueWorkload(keys) as unknown as Workload,
  list: (keys) => listWorkload(keys) as unknown as Workload,
  print: () => printWorkload() as unknown as Workload,
}

export function workloadOf({ machine, keys }: Options): Workload {
  return WORKLOADS[machine](keys)
}
