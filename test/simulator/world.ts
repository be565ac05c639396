import type { Engine } from '../../src/engine/engine.ts'
import type { Message } from '../../src/protocol/messages.ts'
import type { MemoryNetwork } from '../../src/transport/memory.ts'
import type { Random } from '../support/random.ts'
import type { Counters } from './counters.ts'
import type { Operator } from './operator.ts'
import type { Options } from './options.ts'
import type { Record } from './record.ts'
import type { Sabotage } from './sabotage.ts'
import type { SweepWatch } from './sweep-watch.ts'
import type { VirtualTime } from './time.ts'
import type { Watcher } from './watcher.ts'
import type { Pools, Workload } from './workload.ts'

/** What the parts of a simulation share. */
export interface World {
  readonly options: Options
  readonly makeEngine: (replicas: number) => Engine
  readonly sabotage: Sabotage
  readonly time: VirtualTime
  readonly network: MemoryNetwork
  readonly workload: Workload
  readonly pools: Pools
  readonly watcher: Watcher
  readonly counters: Counters
  readonly operator: Operator
  /** What clients saw. */
  readonly record: Record
  /** What sweeps of sessions did. */
  readonly sweeps: SweepWatch
  /** What a crash keeps of what was not synced, and how long writes take. */
  readonly diskRandom: Random
  /** The first that was found; then the simulation ends. */
  readonly failure: Error | null
  /** Faults are over. */
  readonly healed: boolean
  /** For the trace. */
  happened(what: string, ...details: (string | number | Message)[]): void
  /** Bytes that belong to what happened last. */
  traced(bytes: Uint8Array): void
  fail(error: Error): void
}
