import { readFileSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { engineMakers, wasmEngine } from '../support/engine-makers.ts'
import { volume } from '../support/volumes.ts'
import { outcome } from './outcome.ts'
import { STATES } from './states.ts'
import { VARIANTS } from './variants.ts'

/**
 * Every message in every state. `cells/*.txt` say what the result of each must be, in blocks:
 *
 *     when MESSAGE
 *       given STATE, STATE, …
 *         then OUTCOME
 *
 * `any other` stands for all states that the block does not name. The files were checked against protocol.md line by
 * line. `EPAXOS_WRITE_CELLS=1` writes them anew: check the difference in the same way.
 */
const test = suite('cells of state and message')

const ANY_OTHER = 'any other'

const folder = new URL('cells/', import.meta.url)

for (const [file, variants] of Object.entries(VARIANTS)) {
  const url = new URL(`${file}.txt`, folder)
  if (process.env.EPAXOS_WRITE_CELLS) writeFileSync(url, render(variants))
  const expected = parse(readFileSync(url, 'utf8'))
  for (const variant of variants) {
    test(`${variant.when}, in each state`, () => {
      const cells = expected.get(variant.when)
      assert.ok(cells, `no cells for ${variant.when}`)
      assert.equal([...(cells?.keys() ?? [])].sort(), STATES.map(({ name }) => name).sort())
      for (const engine of engineMakers) {
        for (const state of STATES) {
          assert.is(outcome(state, variant, engine), cells?.get(state.name), `given ${state.name} (${engine.kind})`)
          volume('protocol cells', 1)
        }
      }
    })
  }
}

test('no cells are left over from messages that are gone', () => {
  for (const [file, variants] of Object.entries(VARIANTS)) {
    const cells = parse(readFileSync(new URL(`${file}.txt`, folder), 'utf8'))
    assert.equal(
      [...cells.keys()],
      variants.map(({ when }) => when),
    )
  }
})

function parse(text: string): Map<string, Map<string, string>> {
  const cells = new Map<string, Map<string, string>>()
  let states: string[] = []
  let block = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(' ')
    const content = rest.join(' ')
    if (word === 'when') {
      block = new Map()
      cells.set(content, block)
    } else if (word === 'given') states = content.split(', ')
    else if (word === 'then') for (const state of states) block.set(state, content)
  }
  for (const cell of cells.values()) spread(cell)
  return cells
}

/** Replaces `any other` by the states that it stands for. */
function spread(cells: Map<string, string>): void {
  const then = cells.get(ANY_OTHER)
  if (then === undefined) return
  cells.delete(ANY_OTHER)
  for (const { name } of STATES) if (!cells.has(name)) cells.set(name, then)
}

function render(variants: (typeof VARIANTS)[string]): string {
  const blocks = variants.map((variant) => {
    const groups = new Map<string, string[]>()
    for (const state of STATES) {
      const then = outcome(state, variant, wasmEngine)
      groups.set(then, [...(groups.get(then) ?? []), state.name])
    }
    const most = Math.max(...[...groups.values()].map((states) => states.length))
    const given = (states: string[]): string =>
      states.length === most && most > STATES.length / 2 ? ANY_OTHER : states.join(', ')
    const cells = [...groups].map(([then, states]) => `  given ${given(states)}\n    then ${then}\n`)
    return `when ${variant.when}\n${cells.join('')}`
  })
  return blocks.join('\n')
}

test.run()
