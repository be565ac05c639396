/**
 * Runs the tests: `npm test [-- WORD…] [-- --jobs N --limit SECONDS --folder DIR]`; words choose the files whose path
 * contains one of them.
 *
 * Each file runs in a process group of its own, two at a time. The run fails if a test fails, if no test ran, if a file
 * crashes or leaves a handle or a process behind, or if the whole run exceeds the limit. Its last line is `N passed, N
 * failed[, N skipped]`.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { byDuration, findTests, rememberDurations } from './support/run-order.ts'
import { killAll, type Outcome, runFile } from './support/run-process.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    limit: { type: 'string', default: '570' },
    folder: { type: 'string', default: import.meta.dirname },
  },
})
const limitMs = Number(values.limit) * 1000
const startedAt = performance.now()

const files = findTests(resolve(values.folder), positionals)
const waiting = byDuration(files)
const running = new Set<string>()
const outcomes: Outcome[] = []
let overtime = false

const timer = setTimeout(() => {
  overtime = true
  waiting.length = 0
  killAll()
}, limitMs)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll()
    process.exit(1)
  })
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work))
clearTimeout(timer)
report()

async function work(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    running.add(file)
    const outcome = await runFile(file)
    running.delete(file)
    outcomes.push(outcome)
    print(outcome)
  }
}

function print({ file, passed, failed, skipped, problems, output, durationMs }: Outcome): void {
  const counts = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
  console.log(`\n${file}: ${counts}, ${(durationMs / 1000).toFixed(1)} s`)
  if (output.trim() !== '') console.log(output.trimEnd())
  for (const problem of overtime ? [`was running when the limit of ${values.limit} s was over`] : problems) {
    console.log(`  ${file}: ${problem}`)
  }
}

function report(): void {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const [passed, failed, skipped] = [sum((o) => o.passed), sum((o) => o.failed), sum((o) => o.skipped)]
  printVolumes()
  const bad = outcomes.filter((outcome) => outcome.failed > 0 || outcome.problems.length > 0)
  const unfinished = files.length - outcomes.length
  console.log(`\n${files.length} files in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  if (bad.length > 0) console.log(`failed: ${bad.map(({ file }) => file).join(', ')}`)
  if (overtime) console.log(`the limit of ${values.limit} s was over; ${unfinished} files did not run`)
  if (passed + failed === 0) console.log('no test ran')
  // A file with a problem of its own is a failure, even if all its tests passed.
  const problems = outcomes.filter((outcome) => outcome.failed === 0 && outcome.problems.length > 0).length
  const ok = bad.length === 0 && !overtime && passed > 0
  if (ok && positionals.length === 0) rememberDurations(outcomes)
  process.exitCode = ok ? 0 : 1
  console.log(`${passed} passed, ${failed + problems} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
}

function printVolumes(): void {
  const volumes = new Map<string, number>()
  for (const outcome of outcomes) {
    for (const [name, count] of outcome.volumes) volumes.set(name, (volumes.get(name) ?? 0) + count)
  }
  if (volumes.size > 0) console.log('\nvolumes:')
  for (const [name, count] of [...volumes].sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`  ${name}: ${count}`)
}
