import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePortRange } from '../../src/cli/ports.ts'
import type { Status } from '../../src/node/status.ts'
import { Cli, type CliResult, killAllCli, runCli, withFolder } from '../support/cli.ts'
import { isFree } from '../support/ports.ts'
import { isRunning } from '../support/running.ts'
import { until } from '../support/until.ts'

const test = suite('epaxos cluster')

test.after(killAllCli)

interface Running {
  readonly cli: Cli
  readonly firstPort: number
  readonly urls: readonly string[]
  readonly pids: readonly number[]
  /** The command lines that start each replica alone. */
  readonly lines: readonly string[]
}

async function start(folder: string, ...args: string[]): Promise<Running> {
  const firstPort = await freePortRange(6)
  const ports = ['--client-port', String(firstPort), '--peer-port', String(firstPort + 3)]
  const cli = new Cli(['cluster', '--data', join(folder, 'data'), ...ports, ...args], { group: true })
  await cli.says(/^ready/m)
  const replicas = [...cli.stdout.matchAll(/^replica \d+ {2}pid (\d+) {2}(\S+) {2}(.+)$/gm)]
  return {
    cli,
    firstPort,
    urls: replicas.map(([, , url]) => url as string),
    pids: replicas.map(([, pid]) => Number(pid)),
    lines: replicas.map(([, , , line]) => line as string),
  }
}

async function allFree(firstPort: number): Promise<boolean> {
  return (await Promise.all(Array.from({ length: 6 }, (_, i) => isFree(firstPort + i)))).every(Boolean)
}

async function epaxos(url: string, ...args: string[]): Promise<CliResult> {
  return await runCli([...args, '--url', url])
}

/** Code and stdout. */
async function expect(run: Promise<CliResult>, code: number, stdout = ''): Promise<void> {
  const result = await run
  assert.is(result.code, code, result.stderr)
  assert.is(result.stdout, stdout)
}

test('says how to start each replica alone, then that all are ready; a write at one is read at the others', () =>
  withFolder(async (folder) => {
    const { cli, urls, pids, lines, firstPort } = await start(folder)
    assert.is(pids.length, 3)
    pids.forEach((pid, id) => {
      assert.ok(isRunning(pid))
      assert.match(lines[id] as string, new RegExp(`replica --id ${id} `))
    })
    assert.is(cli.stdout.match(/^ready/gm)?.length, 1)
    const [a, b, c] = urls as [string, string, string]
    await expect(epaxos(a, 'put', 'key with / and ünicode', '1 value'), 0)
    await expect(epaxos(b, 'get', 'key with / and ünicode'), 0, '1 value\n')
    await expect(epaxos(c, 'get', 'key with / and ünicode'), 0, '1 value\n')
    await checkCommands(a, b, c)
    await checkStatus(a)
    cli.signalGroup('SIGINT')
    await expect(cli.exited(), 0, cli.stdout)
    assert.ok(await allFree(firstPort))
    for (const pid of pids) assert.not(isRunning(pid))
  }))

async function checkCommands(a: string, b: string, c: string): Promise<void> {
  await expect(epaxos(a, 'put', '..', 'dots'), 0)
  await expect(epaxos(b, 'get', '..'), 0, 'dots\n')
  await expect(epaxos(b, 'get', 'absent'), 1)
  await expect(epaxos(a, 'incr', 'n'), 0, '1\n')
  await expect(epaxos(b, 'incr', 'n', '-5'), 0, '-4\n')
  await expect(epaxos(c, 'incr', '..'), 1)
  await expect(epaxos(a, 'cas', 'n', '-4', '7'), 0)
  await expect(epaxos(b, 'cas', 'n', '8', '9'), 1)
  await expect(epaxos(c, 'cas', 'absent', '8', '9'), 1)
  await expect(epaxos(c, 'get', 'n'), 0, '7\n')
  await expect(epaxos(a, 'del', 'n'), 0)
  await expect(epaxos(b, 'del', 'n'), 1)
}

async function checkStatus(url: string): Promise<void> {
  const { code, stdout } = await epaxos(url, 'status', '--json')
  assert.is(code, 0)
  const reports = JSON.parse(stdout) as Status[]
  assert.equal(
    reports.map(({ id }) => id),
    [0, 1, 2],
  )
  for (const report of reports) {
    assert.equal(
      report.replicas.map(({ up }) => up),
      [true, true, true],
    )
    assert.is(report.durability, 'fsync')
    assert.is(report.ready, true)
  }
  const table = await epaxos(url, 'status')
  assert.is(table.code, 0)
  const [titles = '', ...rows] = table.stdout.trimEnd().split('\n')
  assert.is(rows.length, 3)
  assert.match(titles, /journal +replay/)
  for (const row of rows) assert.match(row, /[kMG]B +\d+ ms/)
}

test('reports a replica that dies, goes on without it, and takes it back by its own command line', () =>
  withFolder(async (folder) => {
    const { cli, urls, pids, lines } = await start(folder)
    const [a, b, c] = urls as [string, string, string]
    process.kill(pids[2] as number, 'SIGKILL')
    const [, line] = await cli.says(/^replica 2 was ended by SIGKILL; start it again with: (.+)$/m)
    assert.is(line, lines[2])
    await expect(epaxos(a, 'put', 'k', 'without it'), 0)
    await expect(epaxos(c, 'put', 'k', 'v'), 4)
    const down = JSON.parse((await epaxos(b, 'status', '--json')).stdout) as object[]
    assert.ok('error' in (down[2] as object))

    const back = new Cli(['-c', `exec ${line}`], {}, ['sh'])
    let value = ''
    while (value === '' && !back.ended) value = (await epaxos(c, 'get', 'k')).stdout
    assert.is(value, 'without it\n')
    assert.is(cli.stdout.match(/^ready/gm)?.length, 1)
    assert.is((await back.kill('SIGTERM')).code, 0)
    assert.is((await cli.kill('SIGTERM')).code, 0)
  }))

test('the replicas stop when the parent is killed', () =>
  withFolder(async (folder) => {
    const { cli, pids, firstPort } = await start(folder, '--durability', 'memory')
    await cli.kill('SIGKILL')
    await until(() => !pids.some(isRunning), 'all replicas to have ended', 10_000)
    assert.ok(await allFree(firstPort))
  }))

test('refuses taken and overlapping ports, and the flags of a single replica, with 2, before it starts anything', () =>
  withFolder(async (folder) => {
    const first = await freePortRange(6)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(first + 1, '127.0.0.1', resolve))
    const run = (client: number, peer: number, ...args: string[]) =>
      runCli(['cluster', '--client-port', String(client), '--peer-port', String(peer), '--data', folder, ...args])
    try {
      const results = await Promise.all([
        run(first, first + 3),
        run(first + 3, first),
        run(first + 2, first + 3),
        run(first + 2, first + 3, '--id', '1'),
      ])
      const why = [/port \d+ .*taken.*--client-port/, /port \d+ .*taken.*--peer-port/, /overlap/, /'--id'/]
      for (const [i, { code, stdout, stderr }] of results.entries()) {
        assert.is(code, 2)
        assert.is(stdout, '')
        assert.match(stderr, why[i] as RegExp)
      }
    } finally {
      server.close()
    }
  }))

test('ends with the code of its replicas when none of them can start', () =>
  withFolder(async (folder) => {
    const running = await start(folder, '--durability', 'fsync')
    const first = await freePortRange(6)
    const ports = ['--client-port', String(first), '--peer-port', String(first + 3)]
    const second = await runCli(['cluster', '--data', join(folder, 'data'), ...ports])
    assert.is(second.code, 3)
    assert.match(second.stdout, /replica 0 ended with exit code 3/)
    assert.is((await running.cli.kill('SIGINT')).code, 0)
  }))

test('says for whom the first start waits', () =>
  withFolder(async (folder) => {
    const firstPort = await freePortRange(6)
    const ports = ['--client-port', String(firstPort), '--peer-port', String(firstPort + 3)]
    const cli = new Cli(['cluster', '--data', join(folder, 'data'), ...ports], { group: true })
    await cli.says(/^replica 2 {2}pid/m)
    const [, pid] = /^replica 2 {2}pid (\d+)/m.exec(cli.stdout) as RegExpExecArray
    process.kill(Number(pid), 'SIGSTOP')
    try {
      await cli.says(/^replica 0 is not ready: founding: waits for .*replica 2 \(127\.0\.0\.1:\d+\)/m)
    } finally {
      process.kill(Number(pid), 'SIGCONT')
    }
    await cli.says(/^ready/m)
    await cli.kill('SIGTERM')
  }))

test.run()
