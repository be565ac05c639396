import { check } from '../linearizability/checker.ts'
import type { Operation } from '../linearizability/history.ts'
import type { Executed, Recorded } from './record.ts'
import { Violation } from './violation.ts'
import type { WeakRead } from './weak-reads.ts'
import type { Ask, Workload } from './workload.ts'

/** Operations shown before the one that has no place. */
const SHOWN = 12

/**
 * Whether what clients saw is linearizable. Tries the order of execution as the witness: every operation between its
 * call and its return, every answer equal to the model's. It must be a witness: everything before an operation in the
 * order of execution was called when the operation was first executed anywhere, and everything after it had not
 * returned.
 * @param reads answered without the log
 */
export function judge(workload: Workload, executed: readonly Executed[], reads: readonly WeakRead[]): void {
  const { model } = workload
  const states = new Map<string, unknown>()
  const histories = new Map<string, State[]>()
  const past = new Map<string, string[]>()
  /** Reads that none of their executions so far explains, with what came before the last execution. */
  const unexplained = new Map<Recorded, string>()
  const explained = new Set<Recorded>()
  for (const { operation, executedAt } of executed) {
    const { input, output, onlyReads } = operation
    const pool = model.partition(input)
    const lines = past.get(pool) ?? []
    past.set(pool, lines)
    lines.push(model.describe(input, output))
    const step = model.step(states.has(pool) ? states.get(pool) : model.initial, input, output)
    const isInTime = executedAt > operation.calledAt && executedAt < operation.returnedAt
    if (step !== null && isInTime) explained.add(operation)
    else if (onlyReads) unexplained.set(operation, lines.slice(-SHOWN).join('\n'))
    else throw misplaced(lines.slice(-SHOWN).join('\n'), isInTime)
    if (step === null) continue
    states.set(pool, step.state)
    const history = histories.get(pool) ?? []
    histories.set(pool, history)
    history.push({ since: executedAt, state: step.state })
  }
  for (const [operation, before] of unexplained) {
    if (operation.output !== null && !explained.has(operation)) throw misplaced(before, true)
  }
  for (const read of reads) {
    const pool = model.partition(read.input)
    if (!isExplained(workload, read, histories.get(pool) ?? []))
      throw misplaced(explanation(workload, read, past.get(pool)), true)
  }
}

/** The state of a pool from a moment on. */
interface State {
  readonly since: number
  readonly state: unknown
}

/**
 * Whether a read without the log has a place: some state of the pool between its call and its return gives its answer.
 * Updates have their place at their first execution anywhere. That is stricter than linearizability, and holds: what
 * has executed anywhere is known to every quorum.
 */
function isExplained(
  { model }: Workload,
  { input, output, calledAt, returnedAt }: WeakRead,
  past: readonly State[],
): boolean {
  let first = past.length
  while (first > 0 && (past[first - 1] as State).since > calledAt) first--
  const states = [first === 0 ? model.initial : (past[first - 1] as State).state]
  for (let i = first; i < past.length && (past[i] as State).since < returnedAt; i++)
    states.push((past[i] as State).state)
  return states.some((state) => model.step(state, input, output) !== null)
}

function explanation({ model }: Workload, { input, output }: WeakRead, past: readonly string[] = []): string {
  return [...past.slice(-SHOWN), model.describe(input, output)].join('\n')
}

function misplaced(lines: string, isInTime: boolean): Violation {
  const what = isInTime ? 'cannot be the answer there' : 'was not executed between its call and its return'
  return new Violation('Linearizability', `the last of these ${what}:\n${lines}`)
}

/** A history is searched only up to this many concurrent operations. */
const SEARCHED_CONCURRENCY = 6

/**
 * The same by search, which knows only what clients saw, and that an operation without an answer has taken effect when
 * it was executed. Returns false for histories with so much concurrency that a search may not end.
 */
export function search(workload: Workload, executed: readonly Executed[], reads: readonly Recorded[]): boolean {
  const seen = new Set<Recorded>()
  const history: Operation<Ask, string>[] = [...reads]
  for (const { operation, executedAt } of executed) {
    const unseen = operation.output === null && operation.onlyReads
    if (seen.has(operation) || unseen) continue
    seen.add(operation)
    history.push(operation.output === null ? { ...operation, returnedAt: executedAt } : operation)
  }
  if (concurrency(history) > SEARCHED_CONCURRENCY) return false
  const verdict = check<Ask, string, unknown>(workload.model, history)
  if (!verdict.linearizable) throw new Violation('Linearizability', `no order explains\n${verdict.window}`)
  return true
}

/** The most operations that were in flight at one time. */
function concurrency(history: readonly Operation<Ask, string>[]): number {
  const ends = history.flatMap(({ calledAt, returnedAt }) => [
    { at: calledAt, change: 1 },
    { at: returnedAt, change: -1 },
  ])
  let now = 0
  let most = 0
  for (const { change } of ends.sort((a, b) => a.at - b.at)) {
    now += change
    most = Math.max(most, now)
  }
  return most
}
