import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../support/cli.ts'

const test = suite('the check of line lengths')

test('a line of 120 characters passes, whatever their bytes, and one of 121 fails by its place', () =>
  withFolder(async (folder) => {
    const [good, bad] = [join(folder, 'good.md'), join(folder, 'bad.ts')]
    writeFileSync(good, `short\n${'²'.repeat(119)}𝟙\n`)
    writeFileSync(bad, `short\n${'x'.repeat(121)}\n`)
    const check = (...files: string[]) =>
      spawnSync(process.execPath, ['scripts/line-lengths.mjs', ...files], { encoding: 'utf8' })
    assert.equal([check(good).status, check(good).stdout], [0, ''])
    assert.equal([check(good, bad).status, check(good, bad).stdout.split('\n').length], [1, 2])
    assert.match(check(bad).stdout, /bad\.ts:2: 121 characters/)
  }))

test.run()
