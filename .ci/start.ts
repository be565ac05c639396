/**
 * `npm start` as a user runs it: waits for the `ready` line, writes at one replica, reads at another, presses Ctrl-C,
 * and checks that no process is left. Runs on the Node that is first in PATH. Prints one line; exits 1 when something
 * failed.
 */
import { freePortRange } from '../src/cli/ports.ts'
import { Cli, killAllCli, withFolder } from '../test/support/cli.ts'
import { isRunning } from '../test/support/running.ts'
import { until } from '../test/support/until.ts'

const READY_MS = 60_000
const END_MS = 10_000

try {
  await withFolder(start)
  console.log('npm start: ready, wrote and read, stopped')
} catch (error) {
  console.log(`npm start: ${(error as Error).message}`)
  process.exitCode = 1
}

async function start(folder: string): Promise<void> {
  const first = await freePortRange(6)
  const flags = ['--data', folder, '--client-port', `${first}`, '--peer-port', `${first + 3}`]
  const cli = new Cli(flags, { group: true }, ['npm', 'start', '--silent', '--'])
  try {
    const [, urls = ''] = await cli.says(/^ready: (.+)$/m, READY_MS)
    const [one, other] = urls.split(' ')
    await answer(`${one}/kv/greeting`, { method: 'PUT', body: 'hello' })
    const value = await answer(`${other}/kv/greeting`)
    if (value !== 'hello') throw new Error(`read ${JSON.stringify(value)}`)

    const pids = [...cli.stdout.matchAll(/^replica \d+ {2}pid (\d+) /gm)].map(([, pid]) => Number(pid))
    if (pids.length !== 3) throw new Error(`named ${pids.length} replicas`)
    cli.signalGroup('SIGINT')
    await until(() => cli.ended && !pids.some(isRunning), 'every process to have ended', END_MS)
  } finally {
    if (!cli.ended) cli.signalGroup('SIGKILL')
    await killAllCli()
  }
}

/** The body of a successful answer. */
async function answer(url: string, options?: RequestInit): Promise<string> {
  const response = await fetch(url, options)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
  return text
}
