// biome-ignore-all lint/suspicious/noThenProperty: the branch of a transaction is named so
import type { Condition, Operation, Transaction } from '../../src/machine/commands.ts'
import {
  compareAndSetCommand,
  deleteCommand,
  getCommand,
  incrementCommand,
  putCommand,
  transactionCommand,
} from '../../src/machine/commands.ts'
import type { Random } from '../support/random.ts'

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
export const utf8 = (string: string) => new TextEncoder().encode(string)

/** A command as plain data, so that a model can also apply it. */
export type Step =
  | { readonly cas: string; readonly expected: string | null; readonly value: string }
  | Operation
  | { readonly transaction: Transaction }

export function encodeStep(step: Step): Uint8Array {
  if ('transaction' in step) return transactionCommand(step.transaction)
  if ('cas' in step) return compareAndSetCommand(step.cas, step.expected, step.value)
  if ('put' in step) return putCommand(step.put, step.value)
  if ('get' in step) return getCommand(step.get)
  if ('delete' in step) return deleteCommand(step.delete)
  return incrementCommand(step.increment, step.by)
}

export function randomStep(random: Random, keys: number): Step {
  const kind = random.below(8)
  if (kind === 0) {
    const expected = random.chance(0.3) ? null : randomValue(random)
    return { cas: randomKey(random, keys), expected, value: randomValue(random) }
  }
  if (kind > 1) return randomOperation(random, keys)
  const list = <T>(make: () => T) => Array.from({ length: random.below(4) }, make)
  return {
    transaction: {
      if: list(() => randomCondition(random, keys)),
      then: list(() => randomOperation(random, keys)),
      else: list(() => randomOperation(random, keys)),
    },
  }
}

function randomOperation(random: Random, keys: number): Operation {
  const key = randomKey(random, keys)
  const kind = random.below(4)
  if (kind === 0) return { put: key, value: randomValue(random) }
  if (kind === 1) return { get: key }
  if (kind === 2) return { delete: key }
  const by = random.chance(0.1) ? Number.MAX_SAFE_INTEGER : random.below(5) - 2
  return { increment: key, by }
}

function randomCondition(random: Random, keys: number): Condition {
  const key = randomKey(random, keys)
  const kind = random.below(3)
  if (kind === 0) return { key, absent: true }
  if (kind === 1) return { key, present: true }
  return { key, equals: randomValue(random) }
}

function randomKey(random: Random, keys: number): string {
  const key = `key ${random.below(keys)}`
  return key.endsWith('3') ? key.repeat(100).slice(0, 1024) : key
}

/** Often a counter, so that increments and conditions meet one; otherwise of any length. */
function randomValue(random: Random): string {
  if (random.chance(0.6)) return String(random.below(4))
  return 'v'.repeat(random.chance(0.1) ? random.below(6000) : random.below(40))
}

/** The meaning of commands, with strings and a Map. */
export class Model {
  values = new Map<string, string>()

  /** A description of the result: see {@link describe}. */
  apply(step: Step): string {
    if ('transaction' in step) return this.#transaction(step.transaction)
    if ('cas' in step) {
      if ((this.values.get(step.cas) ?? null) !== step.expected) return 'unmet'
      this.values.set(step.cas, step.value)
      return 'done '
    }
    return this.#operation(step)
  }

  #operation(operation: Operation): string {
    if ('put' in operation) {
      this.values.set(operation.put as string, operation.value as string)
      return 'done '
    }
    if ('get' in operation) {
      const value = this.values.get(operation.get as string)
      return value === undefined ? 'absent' : `done ${value}`
    }
    if ('delete' in operation) return this.values.delete(operation.delete as string) ? 'done ' : 'absent'
    const value = this.values.get(operation.increment as string) ?? '0'
    const number = /^(0|-?[1-9][0-9]*)$/.test(value) ? BigInt(value) : null
    if (number === null || !Number.isSafeInteger(Number(value))) return 'notCounter'
    const sum = number + BigInt(operation.by ?? 1)
    if (sum > BigInt(Number.MAX_SAFE_INTEGER) || sum < BigInt(Number.MIN_SAFE_INTEGER)) return 'notCounter'
    this.values.set(operation.increment as string, String(sum))
    return `done ${sum}`
  }

  #transaction(transaction: Transaction): string {
    const before = new Map(this.values)
    const succeeded = (transaction.if ?? []).every((condition) => {
      const value = this.values.get(condition.key as string)
      if ('equals' in condition) return value === condition.equals
      return 'absent' in condition ? value === undefined : value !== undefined
    })
    const results: string[] = []
    for (const operation of (succeeded ? transaction.then : transaction.else) ?? []) {
      const result = this.#operation(operation)
      if (result === 'notCounter') {
        this.values = before
        return `notCounter at ${results.length}`
      }
      results.push(result)
    }
    return `${succeeded} ${JSON.stringify(results)}`
  }
}
