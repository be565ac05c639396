import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OPENINGS } from '../model-checker/openings.ts'
import { volume } from '../support/volumes.ts'
import { hunt } from './hunt.ts'
import { MUTANTS } from './list.ts'

const test = suite('mutants')

/** `npm run mutants` hunts all; this test hunts some that are found soon, for each hunter. */
const SOON = [
  'dissenting replies count for the fast path',
  'the COM of a fast commit not synced',
  'ties in a component by arrival',
  'a closed epoch goes on executing',
  'a read that waited for the change answered in the closed epoch',
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
  const simulated = hunt({ name: '', patches: [], hunter: { by: 'simulator' } }, 0.05)
  assert.not.ok(simulated.killed, simulated.verdict)
  assert.is.not(simulated.effort, '0 seeds')
  const changed = hunt({ name: '', patches: [], hunter: { by: 'epochs' } }, 0.05)
  assert.not.ok(changed.killed, changed.verdict)
  for (const name of Object.keys(OPENINGS).filter((opening) => opening !== 'seven')) {
    const mutant = MUTANTS.find(({ hunter }) => hunter.by === 'model-check' && hunter.bounds.includes(name))
    assert.ok(mutant?.hunter.by === 'model-check', `${name} is of use`)
    const bounds = `${mutant.hunter.bounds} --limit 2000`
    const checked = hunt({ name: '', patches: [], hunter: { by: 'model-check', bounds } }, 1)
    assert.not.ok(checked.killed, checked.verdict)
    assert.ok(Number.parseInt(checked.effort, 10) >= 2000, checked.effort)
  }
})

test.run()
