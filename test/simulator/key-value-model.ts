import { Outcome } from '../../src/machine/command-results.ts'
import type { Condition, Operation, Transaction } from '../../src/machine/commands.ts'
import type { Model } from '../linearizability/history.ts'
import type { KeyValueAsk, KeyValueInput } from './workload-key-value.ts'

/** Values by key: never changed, only replaced. */
type State = ReadonlyMap<string, string>

interface Step {
  readonly state: State
  readonly output: string
}

/**
 * The key-value store as surface.md describes it, written independently of it: a sequential object per pool of keys,
 * with results in the words of the workload.
 */
export const keyValueModel: Model<KeyValueAsk, string, State> = {
  partition: ({ pool }) => pool,
  initial: new Map(),
  key: (state) => [...state].sort(([a], [b]) => (a < b ? -1 : 1)).join(';'),
  step: (state, input, output) => {
    const next = apply(state, input)
    return output === null || output === next.output ? { state: next.state } : null
  },
  describe: ({ text }, output) => `${text} -> ${output ?? '?'}`,
}

function apply(state: State, input: KeyValueInput): Step {
  switch (input.f) {
    case 'operation':
      return operate(state, input.operation)
    case 'cas':
      if ((state.get(input.key) ?? null) !== input.from) return { state, output: `${Outcome.unmet}:` }
      return { state: changed(state, input.key, input.to), output: `${Outcome.done}:` }
    case 'transaction':
      return transact(state, input.transaction)
  }
}

function operate(state: State, operation: Operation): Step {
  if ('put' in operation) {
    return { state: changed(state, String(operation.put), String(operation.value)), output: `${Outcome.done}:` }
  }
  if ('get' in operation) {
    const value = state.get(String(operation.get))
    return { state, output: value === undefined ? `${Outcome.absent}:` : `${Outcome.done}:${value}` }
  }
  if ('delete' in operation) {
    const key = String(operation.delete)
    if (!state.has(key)) return { state, output: `${Outcome.absent}:` }
    return { state: changed(state, key, null), output: `${Outcome.done}:` }
  }
  const key = String(operation.increment)
  const before = state.get(key) ?? '0'
  if (!/^(0|-?[1-9][0-9]*)$/.test(before)) return { state, output: `${Outcome.notCounter}:` }
  const after = String(Number(before) + (operation.by ?? 1))
  return { state: changed(state, key, after), output: `${Outcome.done}:${after}` }
}

function transact(state: State, transaction: Transaction): Step {
  const holds = (transaction.if ?? []).every((condition) => isMet(state, condition))
  const branch = (holds ? transaction.then : transaction.else) ?? []
  let now = state
  const outputs: string[] = []
  for (const [position, operation] of branch.entries()) {
    const { state: next, output } = operate(now, operation)
    if (output === `${Outcome.notCounter}:`) return { state, output: `failed ${Outcome.notCounter} at ${position}` }
    outputs.push(output)
    now = next
  }
  return { state: now, output: `${holds ? 'then' : 'else'} ${outputs.join(' ')}` }
}

function isMet(state: State, condition: Condition): boolean {
  const value = state.get(String(condition.key))
  if ('equals' in condition) return value === String(condition.equals)
  return 'absent' in condition ? value === undefined : value !== undefined
}

function changed(state: State, key: string, value: string | null): State {
  const next = new Map(state)
  if (value === null) next.delete(key)
  else next.set(key, value)
  return next
}
