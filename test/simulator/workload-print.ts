import { PrintingMachine } from '../../src/machine/printing.ts'
import type { Ask, Workload } from './workload.ts'

/** Lines of one transcript: everything interferes, and the number of each line is its place. */
export function printWorkload(): Workload {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const line = (text: string): Ask => ({ pool: 'transcript', text })
  return {
    machine: () => new PrintingMachine(),
    draw: (_random, _pool, unique) => line(unique),
    command: ({ text }) => encoder.encode(text),
    marker: null,
    output: (_, result) => decoder.decode(result),
    readAll: (pool) => [line(`last of ${pool.name}`)],
    model: {
      partition: ({ pool }) => pool,
      initial: 0,
      key: String,
      step: (lines: number, _, output) =>
        output === null || Number(output) === lines + 1 ? { state: lines + 1 } : null,
      describe: ({ text }, output) => `${text} -> ${output ?? '?'}`,
    },
  }
}
