import { Ahead } from './ahead.ts'
import type { Budget } from './budget.ts'
import { GroupKind, GroupReader } from './groups.ts'
import type { StateMachine } from './machine.ts'
import { NOTHING, ResultBuffer } from './result-buffer.ts'
import { MAX_INSTANCE_RESULT_BYTES, type ResultWriter, Status } from './results.ts'
import type { Session } from './session.ts'
import type { SessionTable } from './sessions.ts'

/** The buffer for results that sessions keep becomes no larger than this for good. */
const MADE_BYTES = 64 << 10

/** A batch on its way through the machine, group by group and command by command, in as many slices as it needs. */
export class BatchRun {
  /** Commands of all batches, including those that were not applied again because they had been applied before. */
  commands = 0
  readonly #machine: StateMachine
  readonly #sessions: SessionTable
  readonly #majority: number
  readonly #reconfigure: (membership: Uint8Array) => boolean
  readonly #ahead: Ahead
  readonly #group = new GroupReader()
  #bytes: Uint8Array = NOTHING
  #row = 0
  /** Null if nobody is answered here. */
  #results: ResultWriter | null = null
  /** Of the current group; undefined if it was not looked up yet. */
  #session: Session | null | undefined
  /** Bytes of results that sessions keep because of this batch. */
  #keptBytes = 0
  #done = 0
  /** Takes results that nobody gets. */
  readonly #nowhere = new ResultBuffer()
  /** Takes results that sessions keep. */
  readonly #made = new ResultBuffer()

  /**
   * @param majority of the members
   * @param reconfigure a change of the members executes: returns whether it counts
   */
  constructor(
    machine: StateMachine,
    sessions: SessionTable,
    majority: number,
    reconfigure: (membership: Uint8Array) => boolean,
  ) {
    this.#machine = machine
    this.#sessions = sessions
    this.#majority = majority
    this.#reconfigure = reconfigure
    this.#ahead = new Ahead(machine)
  }

  /** Commands of the current batch that were executed or left out. */
  get done(): number {
    return this.#done
  }

  /**
   * @param bytes groups that were all opened before
   * @param row of the replica that proposed it
   */
  begin(bytes: Uint8Array, results: ResultWriter | null, row: number): void {
    this.#bytes = bytes
    this.#row = row
    this.#results = results
    this.#keptBytes = 0
    this.#done = 0
    this.#ahead.begin(bytes)
    if (bytes.length > 0) this.#open(0)
  }

  /** Continues until the batch ends or the budget is spent; returns whether the batch has ended. */
  goOn(budget: Budget): boolean {
    while (this.#bytes.length > 0 && !budget.spent) {
      if (this.#group.next()) {
        this.#ahead.step()
        this.#done++
        budget.spend(this.#group.commandEnd - this.#group.commandStart + this.#execute())
      } else {
        this.#results?.endGroup()
        if (this.#group.end < this.#bytes.length) this.#open(this.#group.end)
        else this.#bytes = NOTHING
      }
    }
    return this.#bytes.length === 0
  }

  #open(at: number): void {
    const group = this.#group
    group.reopen(this.#bytes, at)
    this.commands += group.count
    this.#session = undefined
    this.#results?.beginGroup()
    if (group.kind === GroupKind.expire) this.#sessions.expire(group.session())
    else if (group.kind === GroupKind.sweep) this.#sessions.sweep(group.first)
    else if (group.kind === GroupKind.open) this.#openSession()
    else if (group.kind === GroupKind.tick) {
      this.#sessions.tick(group.first, this.#row, group.acknowledged, this.#majority)
    }
  }

  #openSession(): void {
    const { sessionStart, sessionEnd } = this.#group
    this.#sessions.openNew(this.#group.session())
    this.#results?.add(Status.applied, this.#bytes.subarray(sessionStart, sessionEnd))
  }

  /** Executes the command that was found; returns the bytes of results that were made or copied. */
  #execute(): number {
    if (this.#group.kind === GroupKind.reconfigure) return this.#change()
    if (this.#group.onlyReads) return this.#read()
    return this.#group.hasSession ? this.#applyOnce() : this.#apply()
  }

  #change(): number {
    const { commandStart, commandEnd } = this.#group
    const counts = this.#reconfigure(this.#bytes.slice(commandStart, commandEnd))
    this.#results?.add(counts ? Status.applied : Status.refused, NOTHING)
    return 0
  }

  /** A read is applied only where it is answered, because its result is its only effect. */
  #read(): number {
    return this.#results === null ? 0 : this.#apply()
  }

  /** The result is written only as far as somebody gets it. */
  #apply(): number {
    const results = this.#results
    this.#applyTo(results === null ? this.#nowhere : results.begin())
    return results === null ? 0 : results.end(Status.applied)
  }

  /** Updates are checked against the session and entered into it, reads are not (protocol.md §8). */
  #applyOnce(): number {
    const group = this.#group
    if (this.#session === undefined) this.#session = this.#sessions.open(group.session())
    const session = this.#session
    const status = session === null ? Status.expired : this.#judge(session)
    if (session === null || status !== Status.applied) {
      const kept = status === Status.kept && session !== null ? session.kept : NOTHING
      this.#results?.add(status, kept)
      return this.#results === null ? 0 : kept.length
    }
    const result = this.#make()
    this.#results?.add(Status.applied, result)
    session.trim(group.acknowledged)
    session.enter(group.first + group.index, result)
    this.#keptBytes += result.length
    return result.length
  }

  /**
   * Every replica must build what sessions keep, so one batch, even a small one, must not cause an unlimited amount of
   * it.
   */
  #judge(session: Session): Status {
    const { first, index, acknowledged } = this.#group
    const status = session.judge(first + index, acknowledged)
    return status === Status.applied && this.#keptBytes >= MAX_INSTANCE_RESULT_BYTES ? Status.refused : status
  }

  #make(): Uint8Array {
    const made = this.#made
    made.clear(0, MADE_BYTES)
    made.begin()
    this.#applyTo(made)
    return made.copy()
  }

  #applyTo(result: ResultBuffer): void {
    this.#machine.apply(this.#bytes, this.#group.commandStart, this.#group.commandEnd, result)
  }
}
