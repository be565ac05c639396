/**
 * Runs the suites of one test file, in a process of its own: `node --import tsx run-file.ts FILE`. The result goes to
 * file descriptor 3, as one JSON line; the output of the suites goes to stdout.
 *
 * uvu's own runner is not used: it does not count a test whose `before` threw, exits with 0 if there is no test, and
 * waits for ever for a handle that was left open.
 */
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { allVolumes } from './volumes.ts'

export interface FileResult {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly volumes: readonly (readonly [string, number])[]
  /** What kept the process alive after its last test. */
  readonly open: readonly string[]
}

/** uvu's result: errors, passed, skipped, total. */
type SuiteRun = () => Promise<[string | true, number, number, number]>
declare global {
  var UVU_DEFER: number
  var UVU_INDEX: number
  var UVU_QUEUE: [string, ...SuiteRun[]][]
}

/** What the last test closed may take this long to disappear. */
const GRACE_MS = 1000
/** Requests to the file system end by themselves, and tsx makes some at any time: they may take this many graces. */
const FILE_GRACES = 10
const RESULT_FD = 3

const file = process.argv[2] as string
globalThis.UVU_DEFER = 1
globalThis.UVU_INDEX = 0
await import('uvu')
const queue: [string, ...SuiteRun[]] = [file]
globalThis.UVU_QUEUE = [queue]
await import(pathToFileURL(file).href)

let passed = 0
let failed = 0
let skipped = 0
for (const run of queue.slice(1) as SuiteRun[]) {
  const [errors, ran, skips, total] = await run()
  passed += ran
  failed += total - ran
  skipped += skips
  if (errors !== true) console.log(`\n${errors}`)
  else if (ran < total) console.log(`\n  a hook failed: ${total - ran} tests did not run`)
}

process.exitCode = failed > 0 ? 1 : 0
look(FILE_GRACES)
process.once('beforeExit', () => finish([]))

/** Looks after the grace at what is open. */
function look(graces: number): void {
  const overtime = setTimeout(() => {
    const open = process.getActiveResourcesInfo()
    if (graces > 1 && open.includes('FSReqCallback')) look(graces - 1)
    else finish(open)
  }, GRACE_MS)
  overtime.unref()
}

function finish(open: readonly string[]): void {
  const result: FileResult = { passed, failed, skipped, volumes: allVolumes(), open }
  writeSync(RESULT_FD, `${JSON.stringify(result)}\n`)
  process.exit(open.length > 0 ? 1 : undefined)
}
