import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isRunning } from '../support/running.ts'
import { until } from '../support/until.ts'

const test = suite('test runner')

const root = fileURLToPath(new URL('../..', import.meta.url))
const HEAD = `import { suite } from 'uvu'
import * as assert from 'uvu/assert'
const test = suite('made')
`
const PASSING = `${HEAD}
test('passes', () => assert.ok(true))
test.run()
`

interface Run {
  readonly code: number | null
  readonly output: string
  readonly lastLine: string
}

/** Runs the runner on files with these contents. */
async function run(files: Record<string, string>, ...args: string[]): Promise<Run> {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build/runner-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, `${name}.test.ts`), content)
    const runner = ['--import', 'tsx', 'test/run.ts', '--folder', folder, ...args]
    const child = spawn(process.execPath, runner, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
    return { code: child.exitCode, output, lastLine: output.trimEnd().split('\n').at(-1) as string }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('passes when all tests pass, and prints the sum of their volumes', async () => {
  const counted = `import { volume } from '../../test/support/volumes.ts'\nvolume('things', 20)\n${PASSING}`
  const { code, output, lastLine } = await run({ one: counted, two: counted, three: PASSING }, 'one', 'two')
  assert.is(code, 0)
  assert.is(lastLine, '2 passed, 0 failed')
  assert.match(output, /things: 40\n/)
})

test('fails when a test fails, when a hook fails and when one is left out, saying how many', async () => {
  const { code, output, lastLine } = await run({
    fails: `${HEAD}test('fails', () => assert.is(1, 2))\ntest('passes', () => {})\ntest.run()`,
    hook: `${HEAD}test.before(() => { throw new Error('x') })\ntest('never runs', () => {})\ntest.run()`,
    skips: `${HEAD}test.skip('not here', () => {})\ntest('passes', () => {})\ntest.run()`,
  })
  assert.is(code, 1)
  assert.is(lastLine, '2 passed, 2 failed, 1 skipped')
  assert.match(output, /a hook failed: 1 tests did not run/)
})

test('fails when no test ran', async () => {
  const nothing = await run({ one: PASSING }, 'no-such-file')
  assert.is(nothing.code, 1)
  assert.is(nothing.lastLine, '0 passed, 0 failed')
  const empty = await run({ empty: 'export {}' })
  assert.is(empty.code, 1)
  assert.match(empty.output, /holds no test/)
})

test('names a handle that a file left open', async () => {
  const { code, output, lastLine } = await run({ open: `setInterval(() => {}, 1000)\n${PASSING}` })
  assert.is(code, 1)
  assert.match(output, /open\.test\.ts: left open: .*Timeout/)
  assert.is(lastLine, '1 passed, 1 failed')
})

test('names a file that crashed, or ended before its last test', async () => {
  const { code, output, lastLine } = await run({
    crashes: `${HEAD}test('crashes', () => process.kill(process.pid, 'SIGKILL'))\ntest.run()`,
    exits: `${HEAD}test('exits', () => process.exit(0))\ntest.run()`,
    hangs: `${HEAD}test('waits for nothing', () => new Promise(() => {}))\ntest.run()`,
    throws: `throw new Error('at import')`,
  })
  assert.is(code, 1)
  assert.match(output, /crashes\.test\.ts: ended before its last test \(SIGKILL\)/)
  for (const name of ['exits', 'hangs', 'throws']) assert.match(output, new RegExp(`${name}\\.test\\.ts: ended before`))
  assert.is(lastLine, '0 passed, 4 failed')
})

test('names and ends a process that a file left behind', async () => {
  const leave = `import { spawn } from 'node:child_process'
const child = spawn('sleep', ['1234'], { stdio: 'ignore' })
console.log('pid of sleep:', child.pid)
child.unref()
${PASSING}`
  const { code, output } = await run({ leaves: leave })
  assert.is(code, 1)
  assert.match(output, /left a process behind: sleep 1234/)
  const pid = Number(/pid of sleep: (\d+)/.exec(output)?.[1])
  await until(() => !isRunning(pid), 'the process has ended')
})

test('ends at its limit, naming what ran', async () => {
  const endless = `${HEAD}test('endless', () => new Promise((resolve) => setTimeout(resolve, 600_000)))\ntest.run()`
  const { code, output } = await run({ endless }, '--limit', '1.5')
  assert.is(code, 1)
  assert.match(output, /endless\.test\.ts: was running when the limit of 1.5 s was over/)
})

test.run()
