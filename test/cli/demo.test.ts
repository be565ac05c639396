import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { faultsOf } from '../../src/cli/demo/transcripts.ts'
import { killAllCli, runCli, withFolder } from '../support/cli.ts'
import { volume } from '../support/volumes.ts'

const test = suite('epaxos demo')

test.after(killAllCli)

test('three processes, one killed and restarted, print the same transcript, cycles included (scenario 14)', () =>
  withFolder(async (folder) => {
    const { code, stdout, stderr } = await runCli(['demo', '--data', join(folder, 'demo')])
    assert.is(code, 0, stdout + stderr)
    assert.match(stdout, /replica 2 killed after \d+/)
    assert.match(stdout, /replica 2 is back/)
    assert.match(stdout, /equal, byte for byte/)
    const cycles = Number(/components larger than one +(\d+)/.exec(stdout)?.[1])
    assert.ok(cycles > 0, stdout)
    const transcripts = [0, 1, 2].map((id) => readFileSync(join(folder, 'demo', `transcript-${id}`)))
    const lines = (transcripts[0] as Buffer).toString().trimEnd().split('\n')
    assert.is(lines.length, 1500)
    assert.is(new Set(lines).size, 1500)
    for (const transcript of transcripts) assert.ok(transcript.equals(transcripts[0] as Buffer))
    volume('commands of the demo', lines.length)
    volume('components larger than one in the demo', cycles)
  }))

test('a transcript that differs, lacks a line, has one twice or one that nobody proposed is found', () => {
  const of = (...lines: string[]) => Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const good = of('a', 'b')
  assert.equal(faultsOf([good, good, good], ['b', 'a']), [])
  assert.match(faultsOf([good, good, of('b', 'a')], ['a', 'b']).join(), /transcript 2 differs .* line 1: "a" and "b"/)
  assert.match(faultsOf([good, of('a'), good], ['a', 'b']).join(), /transcript 1 differs/)
  assert.match(faultsOf([good, good, good], ['a', 'b', 'c']).join(), /0 times: c/)
  assert.match(faultsOf([of('a', 'a')], ['a']).join(), /2 times: a/)
  assert.match(faultsOf([good], ['a']).join(), /nobody proposed: b/)
})

test.run()
