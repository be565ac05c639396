import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { volume } from '../support/volumes.ts'
import { check } from './checker.ts'
import type { Operation } from './history.ts'
import { register, type StringsInput, strings } from './models.ts'
import { parseRegister, parseStrings } from './recorded.ts'

const folder = process.env.EPAXOS_HISTORIES ?? new URL('../../../shared/histories/', import.meta.url).pathname

const test = suite('recorded histories')

if (!existsSync(folder)) {
  console.log('skipped: no recorded histories here (EPAXOS_HISTORIES names their folder)')
  test.skip('the checker gives the known answer for every recorded history', () => {})
} else {
  const answers = JSON.parse(readFileSync(`${folder}/answers.json`, 'utf8')) as Record<string, Record<string, boolean>>

  test('the checker gives the known answer for every recorded history', () => {
    const wrong: string[] = []
    for (const name of readdirSync(`${folder}/register`)) {
      const history = parseRegister(readFileSync(`${folder}/register/${name}`, 'utf8'))
      if (check(register, history).linearizable !== answers.register?.[name]) wrong.push(name)
      volume('recorded histories', 1)
    }
    for (const name of readdirSync(`${folder}/kv`)) {
      const history = parseStrings(readFileSync(`${folder}/kv/${name}`, 'utf8'))
      if (check(strings, history).linearizable !== answers.kv?.[name]) wrong.push(name)
      volume('recorded histories', 1)
    }
    assert.equal(wrong, [])
  })

  test('a good history with one read altered is rejected, with a picture', () => {
    const history = parseStrings(readFileSync(`${folder}/kv/c50-ok.txt`, 'utf8'))
    const reads = history.flatMap((op, i) => (op.input.f === 'get' && op.output ? [i] : []))
    for (const read of reads.filter((_, i) => i % 40 === 0)) {
      const altered = history.map(
        (op, i): Operation<StringsInput, string> => (i === read ? { ...op, output: 'never written' } : op),
      )
      const verdict = check(strings, altered)
      assert.is(verdict.linearizable, false)
      if (!verdict.linearizable) assert.match(verdict.window, 'never written')
      volume('altered histories', 1)
    }
  })
}

test.run()
