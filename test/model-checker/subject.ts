import type { Instance } from '../../src/protocol/instance.ts'
import { EpochReplica } from './epoch-replica.ts'
import type { Input } from './inputs.ts'
import { type Output, Replica, type Setup } from './replica.ts'

/** What the search needs of a replica, whether its members change or not. */
export interface Subject {
  readonly id: number
  readonly epoch: number
  /** Own slots in use. */
  readonly slot: number
  readonly crashed: boolean
  /** It was removed and switched off. */
  readonly left: boolean
  readonly doomed: boolean
  readonly mortal: boolean
  readonly decisions: ReadonlyMap<string, string>
  readonly executed: readonly string[]
  /** In any of its lives; left out where nobody reads. */
  readonly ever?: ReadonlySet<string>
  readonly closed: ReadonlyMap<number, string>
  /** Of the present epoch. */
  instance(row: number, slot: number): Instance | undefined
  apply(input: Input): readonly Output[]
  text(): string
  impatient(): readonly Instance[]
}

export function newSubject(setup: Setup, id: number): Subject {
  return setup.changers === undefined ? new Replica(setup, id) : new EpochReplica(setup, id)
}
