import { Outcome, readResult, readTransactionResult } from '../../src/machine/command-results.ts'
import {
  type Condition,
  compareAndSetCommand,
  deleteCommand,
  getCommand,
  incrementCommand,
  type Operation,
  putCommand,
  type Transaction,
  transactionCommand,
} from '../../src/machine/commands.ts'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import type { Random } from '../support/random.ts'
import { keyValueModel } from './key-value-model.ts'
import type { KeyOptions } from './options.ts'
import type { Ask, Pool, Workload } from './workload.ts'

/** An operation of the machine, with keys and values as strings. */
type StringOperation =
  | { readonly put: string; readonly value: string }
  | { readonly get: string }
  | { readonly delete: string }
  | { readonly increment: string; readonly by: number }

export type KeyValueInput =
  | { readonly f: 'operation'; readonly operation: StringOperation }
  | { readonly f: 'cas'; readonly key: string; readonly from: string | null; readonly to: string }
  | { readonly f: 'transaction'; readonly transaction: Transaction }

export type KeyValueAsk = Ask & KeyValueInput

const decoder = new TextDecoder()

/** Everything that the key-value store can do, on registers and counters alike. */
export function keyValueWorkload({ reads, transactions }: KeyOptions): Workload<KeyValueAsk> {
  /** What was last put anywhere: a guess for conditions. */
  const rumours = new Map<string, string>()
  return {
    machine: () => new KeyValueStore(),
    draw: (random, pool, unique) => {
      const input = drawInput(random, pool, unique, { reads, transactions, rumours })
      return { ...input, pool: pool.name, text: JSON.stringify(input) }
    },
    command,
    marker: getCommand,
    output,
    readAll: ({ name, keys }) =>
      keys.map((key) => ({ f: 'operation', operation: { get: key }, pool: name, text: `get ${key}` })),
    model: keyValueModel,
  }
}

interface Drawing {
  readonly reads: number
  readonly transactions: number
  readonly rumours: Map<string, string>
}

function drawInput(random: Random, pool: Pool, unique: string, drawing: Drawing): KeyValueInput {
  const { rumours } = drawing
  const key = random.pick(pool.keys)
  if (random.chance(drawing.transactions))
    return { f: 'transaction', transaction: drawTransaction(random, pool, unique, rumours) }
  if (random.chance(drawing.reads)) return { f: 'operation', operation: { get: key } }
  const choice = random.next()
  if (choice < 0.2) {
    const from = random.chance(0.8) ? (rumours.get(key) ?? null) : null
    rumours.set(key, unique)
    return { f: 'cas', key, from, to: unique }
  }
  return { f: 'operation', operation: drawUpdate(random, key, unique, rumours) }
}

function drawUpdate(random: Random, key: string, unique: string, rumours: Map<string, string>): StringOperation {
  const choice = random.next()
  if (choice < 0.45) return { increment: key, by: 1 + random.below(3) }
  if (choice < 0.6) return { delete: key }
  // Other clients use numbers as counters.
  const value = random.chance(0.4) ? String(random.below(100)) : unique
  rumours.set(key, value)
  return { put: key, value }
}

function drawTransaction(random: Random, { keys }: Pool, unique: string, rumours: Map<string, string>): Transaction {
  const draw = <T>(most: number, one: () => T): T[] => Array.from({ length: random.below(most + 1) }, one)
  const operation = (): Operation => {
    const key = random.pick(keys)
    return random.chance(0.4) ? { get: key } : drawUpdate(random, key, unique, rumours)
  }
  const condition = (): Condition => {
    const key = random.pick(keys)
    const rumour = rumours.get(key)
    if (rumour !== undefined && random.chance(0.5)) return { key, equals: rumour }
    return random.chance(0.5) ? { key, absent: true } : { key, present: true }
  }
  return { if: draw(2, condition), then: draw(3, operation), else: draw(2, operation) }
}

function command(input: KeyValueInput): Uint8Array {
  if (input.f === 'cas') return compareAndSetCommand(input.key, input.from, input.to)
  if (input.f === 'transaction') return transactionCommand(input.transaction)
  const { operation } = input
  if ('put' in operation) return putCommand(operation.put, operation.value)
  if ('get' in operation) return getCommand(operation.get)
  if ('delete' in operation) return deleteCommand(operation.delete)
  return incrementCommand(operation.increment, operation.by)
}

function output(input: KeyValueInput, result: Uint8Array): string {
  if (input.f !== 'transaction') return resultText(readResult(result))
  const { outcome, succeeded, results, failedAt } = readTransactionResult(result)
  if (outcome !== Outcome.done) return `failed ${outcome} at ${failedAt}`
  return `${succeeded ? 'then' : 'else'} ${results.map(resultText).join(' ')}`
}

function resultText({ outcome, value }: { readonly outcome: Outcome; readonly value: Uint8Array }): string {
  return `${outcome}:${decoder.decode(value)}`
}
