import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { volume } from '../support/volumes.ts'
import { hunt } from './hunt.ts'
import { MUTANTS } from './list.ts'

const test = suite('mutants')

/** All are hunted by `npm run mutants`; here some that are found soon, by each hunter. */
const SOON = [
  'dissenting replies count for the fast path',
  'the COM of a fast commit not synced',
  'ties in a component by arrival',
]

const MINUTES = 1

test('there are at least 35, each with a name of its own', () => {
  assert.ok(MUTANTS.length >= 35)
  assert.is(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length)
})

test('each defect has its one place in the source', () => {
  for (const { name, patches } of MUTANTS) {
    for (const { file, from, to } of patches) {
      const source = readFileSync(join(import.meta.dirname, '../../src', file), 'utf8')
      assert.is(source.split(from).length, 2, `${name}: ${file}`)
      assert.is.not(from, to)
    }
  }
})

for (const name of SOON) {
  test(`found: ${name}`, () => {
    const mutant = MUTANTS.find((candidate) => candidate.name === name)
    assert.ok(mutant)
    const { killed, verdict } = hunt(mutant, MINUTES)
    volume('mutants hunted', 1)
    assert.ok(killed, verdict)
  })
}

test('the source as it is gives a hunt nothing to find', () => {
  const { killed, verdict } = hunt({ name: '', patches: [], hunter: { by: 'simulator' } }, 0.05)
  assert.not.ok(killed, verdict)
})

test.run()
