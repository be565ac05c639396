import { readdirSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CommandMaker } from '../../src/cli/bench/commands.ts'
import { Latencies } from '../../src/cli/bench/latencies.ts'
import type { BenchResult } from '../../src/cli/bench/result.ts'
import { GroupReader } from '../../src/execution/groups.ts'
import { checkCommand } from '../../src/machine/validate.ts'
import { killAllCli, runCli, withFolder } from '../support/cli.ts'

const test = suite('epaxos bench')

test.after(killAllCli)

async function measure(folder: string, ...args: string[]): Promise<BenchResult> {
  const short = ['--warmup', '0.5', '--seconds', '1', '--data', folder, '--json']
  const { code, stdout, stderr } = await runCli(['bench', ...short, ...args])
  assert.is(code, 0, stdout + stderr)
  return JSON.parse(stdout) as BenchResult
}

test('measures a cluster of its own, with and without sessions, and leaves nothing behind', () =>
  withFolder(async (folder) => {
    const few = await measure(folder, '--outstanding', '1', '--no-sessions')
    assert.is(few.sessions, false)
    assert.is(few.durability, 'fsync')
    const many = await measure(folder, '--outstanding', '100', '--durability', 'memory', '--conflicts', '100')
    assert.is(many.durability, 'memory')
    for (const { commands, commandsPerSecond, latencyMs, cpuMicrosPerCommand, fastPathRatio, fast, slow } of [
      few,
      many,
    ]) {
      assert.ok(commands > 0 && commandsPerSecond > 0)
      assert.ok(latencyMs.p50 > 0 && latencyMs.p50 <= latencyMs.p99)
      assert.ok((cpuMicrosPerCommand ?? 0) > 0)
      assert.is(fastPathRatio, Number((fast / (fast + slow)).toFixed(4)))
    }
    assert.equal(readdirSync(folder), [])
  }))

test('reads are measured beside writes, and alone they make no instance', () =>
  withFolder(async (folder) => {
    const mixed = await measure(folder, '--outstanding', '100', '--reads', '60', '--reads-by', 'log')
    const { reads, commands, fast } = mixed
    assert.equal([reads?.percent, reads?.by], [60, 'log'])
    assert.ok(reads !== null && reads.commands > 0 && reads.commands < commands)
    assert.ok(reads !== null && reads.latencyMs.p50 > 0 && fast > 0)
    const alone = await measure(folder, '--outstanding', '10', '--reads', '100')
    assert.equal([alone.reads?.by, alone.reads?.commands], ['linearizable', alone.commands])
    assert.equal([alone.fast, alone.slow, alone.fastPathRatio], [0, 0, null])
  }))

test('quantiles are exact to a hundredth', () => {
  const latencies = new Latencies()
  assert.ok(Number.isNaN(latencies.quantile(0.5)))
  for (let micros = 1; micros <= 100_000; micros++) latencies.add(micros, 3)
  assert.is(latencies.total, 300_000)
  for (const part of [0.001, 0.01, 0.5, 0.99, 1]) {
    const exact = part * 100_000
    assert.ok(Math.abs(latencies.quantile(part) - exact) <= exact / 100, `${part}: ${latencies.quantile(part)}`)
  }
})

test('groups are what the replica takes, whatever their counts, and as many conflict as are asked for', () => {
  const maker = new CommandMaker({ keySize: 8, valueSize: 5, conflicts: 0.25, lane: 1, lanes: 3 })
  const reader = new GroupReader()
  let [hot, all, first] = [0, 0, 1]
  for (const count of [3, 1000, 1, 999, 1000]) {
    const bytes = maker.group(count, { session: 'bench', first, acknowledged: first - 1 }).slice()
    reader.open(bytes, 0)
    assert.equal([reader.count, reader.first, reader.session(), reader.end], [count, first, 'bench', bytes.length])
    while (reader.next()) {
      checkCommand(bytes, reader.commandStart, reader.commandEnd, null)
      const command = bytes.subarray(reader.commandStart, reader.commandEnd)
      assert.is(command.length, 4 + 8 + 5)
      all++
      const key = new DataView(command.buffer, command.byteOffset + 4).getUint32(0, true)
      if (key === 0xffff_ffff) hot++
      else assert.is(key % 3, 1, 'a key of this lane')
    }
    first += count
  }
  assert.ok(Math.abs(hot / all - 0.25) < 0.06, `${hot} of ${all}`)
})

test('processes are named only for running replicas, and replicas that are not there are an error', async () => {
  const { code, stderr } = await runCli(['bench', '--pid', '1'])
  assert.is(code, 2)
  assert.match(stderr, /--pid is for --url/)
  const unreachable = await runCli(['bench', '--url', 'http://127.0.0.1:1'])
  assert.is(unreachable.code, 4)
  assert.match(unreachable.stderr, /^epaxos: no link to/)
})

test.run()
