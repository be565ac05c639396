/**
 * Whole clusters of three processes under puts (`epaxos bench`), with 8-byte keys and values, and sessions. The cases
 * alternate, so that a drift of the machine's speed affects all of them equally; the result is the median of the runs.
 * `BENCH_RUNS` is the number of runs (3), `BENCH_SECONDS` their length (3).
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { BenchResult } from '../src/cli/bench/result.ts'

const PROGRAM = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const RUNS = Number(process.env.BENCH_RUNS ?? 3)
const SECONDS = process.env.BENCH_SECONDS ?? '3'

const cases = ['memory', 'fsync'].flatMap((durability) =>
  [
    ['1', '0'],
    ['1000', '0'],
    ['1000', '100'],
  ].map(([outstanding = '', conflicts = '']) => ({ durability, outstanding, conflicts, results: [] as BenchResult[] })),
)

for (let run = 0; run < RUNS; run++) {
  for (const { durability, outstanding, conflicts, results } of cases) {
    const flags = [
      '--durability',
      durability,
      '--outstanding',
      outstanding,
      '--conflicts',
      conflicts,
      '--seconds',
      SECONDS,
    ]
    results.push(
      JSON.parse(execFileSync(process.execPath, [PROGRAM, 'bench', '--json', ...flags], { encoding: 'utf8' })),
    )
  }
}

console.table(
  cases.map(({ durability, outstanding, conflicts, results }) => ({
    durability,
    outstanding: `3 × ${outstanding}`,
    'conflicts %': conflicts,
    'commands/s': median(results, (r) => r.commandsPerSecond),
    'p50 ms': median(results, (r) => r.latencyMs.p50),
    'p99 ms': median(results, (r) => r.latencyMs.p99),
    'CPU µs/command': median(results, (r) => r.cpuMicrosPerCommand),
    'fast path': median(results, (r) => r.fastPathRatio),
  })),
)

function median(results: readonly BenchResult[], of: (result: BenchResult) => number | null): number | null {
  const numbers = results.flatMap((result) => of(result) ?? []).sort((a, b) => a - b)
  return numbers[numbers.length >> 1] ?? null
}
