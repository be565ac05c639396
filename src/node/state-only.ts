import type { Engine } from '../engine/engine.ts'
import { Executor } from '../execution/executor.ts'
import type { StateMachine } from '../execution/machine.ts'
import { mayFollow } from '../protocol/change.ts'
import { Core } from '../protocol/core.ts'
import type { Membership } from '../protocol/membership.ts'
import { membershipIn } from '../protocol/membership-bytes.ts'
import { type Batch, Command } from '../protocol/messages.ts'
import { DEFAULT_TIMING } from '../protocol/timing.ts'

export interface StateOnlyOptions {
  readonly members: Membership
  readonly row: number
  readonly engine: Engine
  readonly machine: StateMachine
  readonly readBatch: ((number: number, index: number) => Batch | null) | null
}

/** Core and execution of a replica that does not run: what its data directory holds, without links and clients. */
export class StateOnly {
  readonly core: Core
  readonly executor: Executor

  constructor({ members, row, engine, machine, readBatch }: StateOnlyOptions) {
    this.core = new Core({ id: row, members, engine, random: Math.random, timing: DEFAULT_TIMING, start: 1, readBatch })
    this.executor = new Executor({
      ...{ engine, machine, executed: this.core.executed, ownRow: row },
      batchOf: (row, slot) => this.core.batchToExecute(row, slot),
      onExecuted: (row, slot) => this.core.markExecuted(row, slot),
      // What comes after a change is void (protocol.md §11).
      reconfigure: (bytes) => {
        const next = membershipIn(bytes)
        return next !== null && mayFollow(members, next)
      },
    })
  }

  /** All records are replayed: what is known may be read. */
  end(journal: number): void {
    this.core.start(journal, 0)
  }

  /** Executes what the records replayed so far have committed, as far as nothing is in the way. */
  execute(): void {
    for (const { row, slot, command, deps } of this.core.take().commits) {
      this.executor.commit(row, slot, command === Command.noop ? null : deps)
    }
    while (this.executor.pending) this.executor.run()
  }
}
