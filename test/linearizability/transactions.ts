import type { Step } from '../../src/machine/list.ts'
import type { Model, Operation } from './history.ts'

/** All keys of a history, by their JSON text. */
type Values = Readonly<Record<string, unknown>>

/** The transaction with the values it read, or only that it was done. */
export type TransactionOutput = readonly Step[] | 'done'

type Transaction = Operation<readonly Step[], TransactionOutput>

/**
 * Transactions of reads, writes and appends over any keys, judged as a whole: a history is linearizable here exactly if
 * it is strictly serializable. A key is either written or appended to, not both. The model first looks for the longest
 * list read of each key: every append has its place there, which spares the search detours.
 */
export function transactionsOf(history: readonly Transaction[]): Model<readonly Step[], TransactionOutput, Values> {
  const longest = longestLists(history)
  const apply = (values: Record<string, unknown>, [kind, key, value]: Step): boolean => {
    const name = JSON.stringify(key)
    if (kind === 'w') values[name] = value
    if (kind !== 'append') return true
    const present = (values[name] ?? []) as unknown[]
    const list = longest.get(name) ?? []
    values[name] = [...present, value]
    return present.length >= list.length || JSON.stringify(list[present.length]) === JSON.stringify(value)
  }
  return {
    partition: () => 'all keys',
    initial: {},
    key: (values) => JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))),
    step: (state, input, output) => {
      const values: Record<string, unknown> = { ...state }
      for (const [i, step] of input.entries()) {
        const read = output === null || output === 'done' ? undefined : output[i]?.[2]
        const present = values[JSON.stringify(step[1])] ?? null
        if (step[0] === 'r' && read !== undefined && JSON.stringify(read) !== JSON.stringify(present)) return null
        if (!apply(values, step)) return null
      }
      return { state: values }
    },
    describe: (input, output) =>
      output === 'done' ? `${JSON.stringify(input)} -> done` : JSON.stringify(output ?? input),
  }
}

function longestLists(history: readonly Transaction[]): Map<string, readonly unknown[]> {
  const longest = new Map<string, readonly unknown[]>()
  for (const { output } of history) {
    if (output === null || output === 'done') continue
    for (const [kind, key, value] of output) {
      const name = JSON.stringify(key)
      if (kind !== 'r' || !Array.isArray(value)) continue
      if (value.length > (longest.get(name)?.length ?? 0)) longest.set(name, value)
    }
  }
  return longest
}

/**
 * Removes guesses from a history in which every written or appended value is unique in its key. If somebody saw an
 * effect of a transaction of unknown outcome, it was done before the first such observer returned; if nobody saw an
 * effect, it may as well not have been done. The verdict stays the same.
 */
export function settled(history: readonly Transaction[]): Transaction[] {
  const seenAt = new Map<string, number>()
  for (const { output, returnedAt } of history) {
    if (output === null || output === 'done') continue
    for (const [kind, key, value] of output) {
      if (kind !== 'r') continue
      for (const seen of Array.isArray(value) ? value : [value]) {
        const name = JSON.stringify([key, seen])
        seenAt.set(name, Math.min(returnedAt, seenAt.get(name) ?? returnedAt))
      }
    }
  }
  return history.flatMap((operation): Transaction[] => {
    if (operation.output !== null) return [operation]
    const written = operation.input.filter(([kind]) => kind !== 'r')
    const times = written.map(([, key, value]) => seenAt.get(JSON.stringify([key, value])) ?? Number.POSITIVE_INFINITY)
    const returnedAt = Math.min(...times)
    return returnedAt === Number.POSITIVE_INFINITY ? [] : [{ ...operation, output: 'done', returnedAt }]
  })
}
