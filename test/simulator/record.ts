import { latin1 } from '../../src/execution/bytes.ts'
import { GroupReader } from '../../src/execution/groups.ts'
import { Violation } from './violation.ts'
import type { WeakRead } from './weak-reads.ts'
import type { Ask } from './workload.ts'

/** An operation as a client sees it, so far. */
export interface Recorded {
  readonly process: number
  readonly input: Ask
  /** Of the group that it went out in: the same however often that is sent. */
  readonly group: string
  /** Its session and number, where it updates something in a session; null where it does not. */
  readonly request: string | null
  /** It tests and changes nothing of its session: sent again, it is executed again. */
  readonly onlyReads: boolean
  /** Answered without the log: no execution says when. */
  readonly unlogged: boolean
  /** The hashes of the keys that it writes. */
  readonly writes: readonly string[]
  readonly calledAt: number
  output: string | null
  /** It is done, and what came of it is not known any more. */
  isGone: boolean
  returnedAt: number
  /** In virtual ms; infinite without an answer. */
  answeredMs: number
}

/**
 * An operation at an execution of its group. What only reads may be executed more than once, and be answered from any
 * of them.
 */
export interface Executed {
  readonly operation: Recorded
  readonly executedAt: number
}

/** What is known of an operation when it is called. */
export type Called = Pick<Recorded, 'process' | 'input' | 'group' | 'request' | 'onlyReads' | 'writes'>

/** The name of a group that is sent as part of a session, by the number of its first command. */
export function sessionGroup(session: string, first: number): string {
  return `${session}:${first}`
}

/** All that clients saw, and when their groups were first executed anywhere. */
export class Record {
  readonly operations: Recorded[] = []
  readonly weakReads: WeakRead[] = []
  /** By group: each instance that it was part of, by when that was first executed anywhere. */
  readonly #executedAt = new Map<string, number[]>()
  /** Requests of sessions that were applied anywhere. */
  readonly #applied = new Set<string>()
  readonly #reader = new GroupReader()
  #moment = 0

  call(called: Called): Recorded {
    const operation: Recorded = {
      ...{ ...called, unlogged: false, calledAt: ++this.#moment, output: null, isGone: false },
      ...{ returnedAt: Number.POSITIVE_INFINITY, answeredMs: Number.POSITIVE_INFINITY },
    }
    this.operations.push(operation)
    return operation
  }

  /** A read without the log is called. */
  read(process: number, input: Ask): Recorded {
    const operation = this.call({ process, input, group: '', onlyReads: true, request: null, writes: [] })
    return this.#replaceLast({ ...operation, unlogged: true })
  }

  #replaceLast(operation: Recorded): Recorded {
    this.operations[this.operations.length - 1] = operation
    return operation
  }

  /** A read that asked no quorum is answered. */
  weak(read: Omit<WeakRead, 'returnedAt'>): void {
    this.weakReads.push({ ...read, returnedAt: ++this.#moment })
  }

  /** When an update was first executed anywhere; null if that is not known. */
  firstExecuted(operation: Recorded): number | null {
    return this.#momentsOf(operation)[0] ?? null
  }

  /** The last first execution of an update of the key that was answered before this time; 0 if there is none. */
  answeredBefore(ms: number, key: string): number {
    let last = 0
    for (const operation of this.operations) {
      if (operation.answeredMs >= ms || operation.isGone || !operation.writes.includes(key)) continue
      last = Math.max(last, this.firstExecuted(operation) ?? 0)
    }
    return last
  }

  /** Reads without the log that were answered. */
  get reads(): readonly Recorded[] {
    return this.operations.filter(({ unlogged, output }) => unlogged && output !== null)
  }

  answered(operation: Recorded, output: string, nowMs: number): void {
    operation.output = output
    operation.answeredMs = nowMs
    operation.returnedAt = ++this.#moment
  }

  /** It is done, and its result is not kept any more. */
  gone(operation: Recorded): void {
    operation.isGone = true
    operation.returnedAt = ++this.#moment
  }

  /** A request of a session is applied, at some replica. */
  applied(request: string): void {
    this.#applied.add(request)
  }

  /** It was refused, and so never happens. */
  refused(operation: Recorded): void {
    this.operations.splice(this.operations.lastIndexOf(operation), 1)
    if (this.#executedAt.has(operation.group))
      throw new Violation('Answers', `${operation.group} was refused, and done`)
  }

  /** A batch is executed, for the first time at any replica. */
  executed(commands: Uint8Array): void {
    const reader = this.#reader
    for (let at = 0; at < commands.length; at = reader.end) {
      reader.open(commands, at)
      if (reader.count === 0) continue
      const { hasSession, first } = reader
      reader.next()
      const name = hasSession
        ? sessionGroup(reader.session(), first)
        : latin1(commands, reader.commandStart, reader.commandEnd)
      const moments = this.#executedAt.get(name) ?? []
      if (moments.length > 0 && !hasSession) throw new Violation('Exactly once', `${name} is executed twice`)
      moments.push(++this.#moment)
      this.#executedAt.set(name, moments)
    }
  }

  /** A group may be executed and its request not applied, where its session had lost it before. */
  #momentsOf({ group, request }: Recorded): number[] {
    if (request !== null && !this.#applied.has(request)) return []
    return this.#executedAt.get(group) ?? []
  }

  /**
   * All that happened, in the order of execution. What was not executed must not have been answered, and never
   * happened.
   */
  executedOperations(): Executed[] {
    const executed: Executed[] = []
    for (const operation of this.operations.filter(({ unlogged }) => !unlogged)) {
      const moments = this.#momentsOf(operation)
      if ((operation.output !== null || operation.isGone) && moments.length === 0) {
        throw new Violation('Answers', `${operation.input.text} is answered, and was not executed`)
      }
      for (const executedAt of operation.onlyReads ? moments : moments.slice(0, 1)) {
        executed.push({ operation, executedAt })
      }
    }
    // Operations of one group keep their order.
    return executed.sort((a, b) => a.executedAt - b.executedAt)
  }
}
