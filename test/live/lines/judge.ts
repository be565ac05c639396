import { check } from '../../linearizability/checker.ts'
import type { Model, Operation } from '../../linearizability/history.ts'
import { keyOf } from './machine.ts'

export interface Transcript {
  readonly lines: readonly string[]
  /** It contains everything that was done; otherwise the replica was killed before the end. */
  readonly isWhole: boolean
}

/** A line, and its number among the lines of its key. */
export type LineOperation = Operation<string, number>

/** A count of lines by key. */
export const lineModel: Model<string, number, number> = {
  partition: keyOf,
  initial: 0,
  key: String,
  step: (count, _, number) => (number === null || number === count + 1 ? { state: count + 1 } : null),
  describe: (line, number) => `${line} -> ${number ?? '?'}`,
}

/**
 * What is wrong with what replicas executed and clients saw. Each answered line is executed once, and nothing else is
 * executed. The lines of a key have one order, at each replica and in the answers. The history is linearizable.
 */
export function faultsOf(transcripts: readonly Transcript[], history: readonly LineOperation[]): string[] {
  const answered = ordersOf(
    [...history].sort((a, b) => (a.output as number) - (b.output as number)).map(({ input }) => input),
  )
  const faults = transcripts.flatMap(({ lines, isWhole }, replica) => {
    const orders = ordersOf(lines)
    const keys = new Set([...answered.keys(), ...orders.keys()])
    return [...keys].flatMap((key) => {
      const [answers, executed] = [answered.get(key) ?? [], orders.get(key) ?? []]
      // A killed replica must have executed a prefix of it.
      const expected = isWhole ? answers : answers.slice(0, executed.length)
      const at = firstDifference(expected, executed)
      if (at === null) return []
      return [`replica ${replica}, ${key}, line ${at + 1}: "${executed[at] ?? ''}", answered "${expected[at] ?? ''}"`]
    })
  })
  const verdict = check(lineModel, history)
  return verdict.linearizable ? faults : [...faults, verdict.window]
}

/** The lines by key, in their order. */
function ordersOf(lines: readonly string[]): Map<string, string[]> {
  const orders = new Map<string, string[]>()
  for (const line of lines) {
    const key = keyOf(line)
    const order = orders.get(key)
    if (order === undefined) orders.set(key, [line])
    else order.push(line)
  }
  return orders
}

/** Null if they are equal. */
function firstDifference(a: readonly string[], b: readonly string[]): number | null {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return i
  return null
}
