import { latin1 } from '../../src/execution/bytes.ts'
import { GroupReader } from '../../src/execution/groups.ts'
import type { Operation } from '../linearizability/history.ts'
import { Violation } from './violation.ts'
import type { Ask } from './workload.ts'

/** An operation as a client sees it, so far. */
export interface Recorded {
  readonly process: number
  readonly input: Ask
  /** Of the group that it went out in: the same however often that is sent. */
  readonly group: string
  readonly calledAt: number
  output: string | null
  returnedAt: number
}

/** The name of a group that is sent as part of a session, by the number of its first command. */
export function sessionGroup(session: string, first: number): string {
  return `${session}:${first}`
}

/** All that clients saw, and when their groups were first executed anywhere. */
export class Record {
  readonly operations: Recorded[] = []
  readonly #executedAt = new Map<string, number>()
  readonly #reader = new GroupReader()
  #moment = 0

  call(process: number, input: Ask, group: string): Recorded {
    const calledAt = ++this.#moment
    const operation = { process, input, group, calledAt, output: null, returnedAt: Number.POSITIVE_INFINITY }
    this.operations.push(operation)
    return operation
  }

  answered(operation: Recorded, output: string): void {
    operation.output = output
    operation.returnedAt = ++this.#moment
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
      if (!this.#executedAt.has(name)) this.#executedAt.set(name, ++this.#moment)
      else if (!hasSession) throw new Violation('Exactly once', `${name} is executed twice`)
    }
  }

  /**
   * The history to be judged. What has no answer has taken effect when it was first executed anywhere: whatever comes before it in the
   * order of execution was called by then, and whatever comes after it had not returned before. If it was not executed, it never happened.
   */
  history(): Operation<Ask, string>[] {
    const history: Operation<Ask, string>[] = []
    for (const operation of this.operations) {
      const executedAt = this.#executedAt.get(operation.group)
      if (executedAt === undefined && operation.output !== null) {
        throw new Violation('Answers', `${operation.input.text} is answered, and was not executed`)
      }
      if (executedAt === undefined) continue
      history.push(operation.output === null ? { ...operation, returnedAt: executedAt } : operation)
    }
    return history
  }
}
