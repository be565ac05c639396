import { readFileSync, writeFileSync } from 'node:fs'
import type { Operation } from '../linearizability/history.ts'
import type { KeyValueAsk } from '../simulator/workload-key-value.ts'

export type KeyValueOperation = Operation<KeyValueAsk, string>

/** One operation per line, as JSON. JSON has no infinity: an infinite time is null. */
export function writeHistory(path: string, history: readonly KeyValueOperation[]): void {
  writeFileSync(path, history.map((operation) => `${JSON.stringify(operation)}\n`).join(''))
}

export function readHistory(path: string): KeyValueOperation[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter(Boolean).map((line) => {
    const operation = JSON.parse(line) as KeyValueOperation
    return { ...operation, returnedAt: operation.returnedAt ?? Number.POSITIVE_INFINITY }
  })
}
