import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePortRange } from '../../src/cli/ports.ts'
import { Cli, killAllCli, PROGRAM, runCli, withFolder } from '../support/cli.ts'
import { isFree } from '../support/ports.ts'
import { isRunning } from '../support/running.ts'
import { until } from '../support/until.ts'

const test = suite('signals, and readers that go away')

test.after(killAllCli)

/** Runs a line of bash with the program as `$EPAXOS`; resolves with its exit code and its standard error. */
async function bash(line: string): Promise<{ code: number | null; stderr: string }> {
  const program = `${process.execPath} ${PROGRAM}`
  const result = await new Cli(['-c', `set -o pipefail; ${line}`], { env: { EPAXOS: program } }, ['bash']).exited()
  return result
}

async function clusterFlags(folder: string): Promise<{ flags: string[]; firstPort: number }> {
  const firstPort = await freePortRange(6)
  const ports = ['--client-port', String(firstPort), '--peer-port', String(firstPort + 3)]
  return { flags: [...ports, '--data', join(folder, 'data')], firstPort }
}

test('a replica stops in order at SIGHUP', () =>
  withFolder(async (folder) => {
    const port = await freePortRange(2)
    const where = ['--peers', `127.0.0.1:${port}`, '--client', `127.0.0.1:${port + 1}`, '--data', join(folder, '0')]
    const cli = new Cli(['replica', '--id', '0', ...where])
    await until(() => /"started"/.test(cli.stderr), 'the start')
    const { code } = await cli.kill('SIGHUP')
    assert.is(code, 0)
    assert.is(cli.logs.at(-1)?.msg, 'stopped')
  }))

test('a cluster stops in order when its terminal is closed, which sends SIGHUP to all of them', () =>
  withFolder(async (folder) => {
    const { flags } = await clusterFlags(folder)
    const cli = new Cli(['cluster', ...flags], { group: true })
    await cli.says(/^ready/m)
    cli.signalGroup('SIGHUP')
    const { code, stdout } = await cli.exited()
    assert.is(code, 0)
    assert.not.match(stdout, /ended|killed/)
    assert.ok(cli.logs.every(({ msg }) => msg === 'link closed'))
  }))

/**
 * Resolves when the process catches signals. In its very first moments, which belong to Node.js, it does not. SIGHUP is
 * the last that it registers.
 */
async function untilCaught(pid: number): Promise<void> {
  for (;;) {
    const [, mask = '0'] = /^SigCgt:\s+(\w+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
    if (BigInt(`0x${mask}`) & 1n) return
    await pause(1)
  }
}

for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  test(`a replica that gets ${name} while it is being loaded, or at any moment of its start, ends with 0`, () =>
    withFolder(async (folder) => {
      for (const delayMs of [0, 5, 20, 50, 100, 200, 300]) {
        const port = await freePortRange(2)
        const where = ['--peers', `127.0.0.1:${port}`, '--client', `127.0.0.1:${port + 1}`]
        const cli = new Cli(['replica', '--id', '0', ...where, '--data', join(folder, String(delayMs))])
        await untilCaught(cli.pid)
        await pause(delayMs)
        const { code, stderr } = await cli.kill(name)
        assert.is(code, 0, `${delayMs} ms: ${stderr}`)
      }
    }))
}

test('a command whose reader goes away ends quietly', async () => {
  for (const line of ['--help', 'cluster --help', 'help replica', '--version']) {
    const { code, stderr } = await bash(`$EPAXOS ${line} | true`)
    assert.equal([code, stderr], [0, ''], line)
  }
})

test('a cluster whose reader goes away stops its replicas in order, quietly', () =>
  withFolder(async (folder) => {
    const { flags, firstPort } = await clusterFlags(folder)
    const { code, stderr } = await bash(`$EPAXOS cluster ${flags.join(' ')} --log-level error | head -1`)
    assert.equal([code, stderr], [0, ''])
    for (let i = 0; i < 6; i++) assert.ok(await isFree(firstPort + i))
  }))

test('a bench and a demo whose reader goes away, or that are told to stop, leave no process and no folder behind', () =>
  withFolder(async (folder) => {
    const bench = new Cli(['bench', '--durability', 'memory', '--data', folder, '--seconds', '60'], { group: true })
    await until(() => childrenOf(bench.pid).length === 3, 'the replicas')
    const replicas = childrenOf(bench.pid)
    await pause(1500)
    const { code, stderr } = await bench.kill('SIGTERM')
    assert.equal([code, stderr], [1, ''])
    assert.not.ok(replicas.some(isRunning))
    assert.equal(readdirSync(folder), [])
    assert.is((await bash('$EPAXOS demo | head -1')).stderr, '')
  }))

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

test('output on a full disk is reported, with 3, and ends no cluster', () =>
  withFolder(async (folder) => {
    const { code, stderr } = await bash('$EPAXOS --help > /dev/full')
    assert.is(code, 3)
    assert.match(stderr, /^epaxos: standard output cannot be written: ENOSPC[^\n]*\n$/)
    const { flags, firstPort } = await clusterFlags(folder)
    const cli = new Cli(['-c', `exec ${process.execPath} ${PROGRAM} cluster ${flags.join(' ')} > /dev/full`], {}, [
      'sh',
    ])
    const url = `http://127.0.0.1:${firstPort}`
    let put = await runCli(['put', 'k', 'v', '--url', url])
    while (put.code !== 0 && !cli.ended) put = await runCli(['put', 'k', 'v', '--url', url])
    assert.is(put.code, 0)
    assert.is((await cli.kill('SIGTERM')).code, 3)
  }))

test('a log that cannot be written ends no replica, and what is lost is logged when it can be written again', () =>
  withFolder(async (folder) => {
    const port = await freePortRange(2)
    const where = `--peers 127.0.0.1:${port} --client 127.0.0.1:${port + 1} --data ${join(folder, '0')}`
    const url = `http://127.0.0.1:${port + 1}`
    for (const target of ['2> /dev/full', '2>&-', '2> >(true)']) {
      const line = `exec ${process.execPath} ${PROGRAM} replica --id 0 ${where} --log-level trace ${target}`
      const cli = new Cli(['-c', line], {}, ['bash'])
      let put = await runCli(['put', 'k', 'v', '--url', url])
      while (put.code !== 0 && !cli.ended) put = await runCli(['put', 'k', 'v', '--url', url])
      assert.is(put.code, 0, target)
      assert.is((await cli.kill('SIGTERM')).code, 0, target)
    }
  }))

test.run()
