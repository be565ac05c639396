import type { Engine } from '../../src/engine/engine.ts'
import type { Member } from '../../src/node/member.ts'
import type { Journal } from '../../src/storage/journal.ts'
import type { SimulatedProcess } from './process.ts'

/** Breaks a replica on purpose: a simulation that does not detect it proves nothing. */
export interface Sabotage {
  readonly engine?: (engine: Engine) => Engine
  readonly journal?: (journal: Journal, process: SimulatedProcess) => Journal
  readonly member?: (member: Member) => void
}
