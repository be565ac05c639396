import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Step } from '../../src/machine/list.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { check } from './checker.ts'
import type { Operation } from './history.ts'
import { settled, type TransactionOutput, transactionsOf } from './transactions.ts'

const test = suite('histories of transactions')

type Transaction = Operation<readonly Step[], TransactionOutput>

function judge(history: readonly Transaction[]): boolean {
  const known = settled(history)
  return check(transactionsOf(known), known).linearizable
}

/**
 * A valid history: transactions take effect one after the other, each somewhere between its call and its return; some
 * outcomes are lost.
 */
function goodHistory(random: Random, kind: 'w' | 'append'): Transaction[] {
  const values = new Map<number, unknown>()
  let written = 0
  return Array.from({ length: 80 }, (_, at): Transaction => {
    const input: Step[] = []
    const output: Step[] = []
    for (let i = 1 + random.below(3); i > 0; i--) {
      const key = random.below(3)
      const step: Step = random.chance(0.5) ? ['r', key, null] : [kind, key, ++written]
      input.push(step)
      output.push(step[0] === 'r' ? ['r', key, (values.get(key) ?? null) as null] : step)
      if (step[0] === 'w') values.set(key, step[2])
      else if (step[0] === 'append') values.set(key, [...((values.get(key) ?? []) as unknown[]), step[2]])
    }
    const isLost = random.chance(0.1)
    const returnedAt = isLost ? Number.POSITIVE_INFINITY : at + random.next() * 4
    return { process: at, input, output: isLost ? null : output, calledAt: at - random.next() * 4, returnedAt }
  })
}

for (const kind of ['w', 'append'] as const) {
  test(`good histories are accepted, and rejected with one read altered (${kind})`, () => {
    const seed = freshSeed()
    const random = new Random(seed)
    for (let n = 0; n < 40; n++) {
      const history = goodHistory(random, kind)
      assert.is(judge(history), true, `seed ${seed}, history ${n}`)
      const known = history.flatMap((op, i) => (op.output?.[0]?.[0] === 'r' ? [i] : []))
      const [at, other] = [random.pick(known), kind === 'w' ? -1 : [-1]]
      const altered = history.map((op, i): Transaction => {
        if (i !== at) return op
        const [[, key], ...rest] = op.output as [Step, ...Step[]]
        return { ...op, output: [['r', key, other], ...rest] }
      })
      assert.is(judge(altered), false, `seed ${seed}, history ${n}, altered`)
      volume('altered histories', 1)
    }
  })
}

const done = (process: number, calledAt: number, returnedAt: number, ...output: Step[]): Transaction => {
  return {
    process,
    input: output.map(([kind, key, value]) => [kind, key, kind === 'r' ? null : value]),
    output,
    calledAt,
    returnedAt,
  }
}

test('a read from the past, a write that was lost and half a transaction are found', () => {
  const first = done(0, 0, 1, ['append', 1, 1], ['append', 2, 1])
  assert.is(judge([first, done(1, 2, 3, ['r', 1, [1]], ['r', 2, [1]])]), true)
  assert.is(judge([first, done(1, 2, 3, ['r', 1, null])]), false)
  assert.is(judge([first, done(1, 0, 3, ['r', 1, [1]], ['r', 2, null])]), false)
  const lost: Transaction = { ...first, output: null, returnedAt: Number.POSITIVE_INFINITY }
  assert.is(judge([lost, done(1, 2, 3, ['r', 1, null])]), true)
  assert.is(judge([lost, done(1, 2, 3, ['r', 1, [1]]), done(2, 4, 5, ['r', 2, null])]), false)
  const orders = [done(2, 5, 6, ['r', 1, [1, 2]]), done(3, 5, 6, ['r', 1, [2, 1]])]
  assert.is(judge([done(0, 0, 4, ['append', 1, 1]), done(1, 0, 4, ['append', 1, 2]), ...orders]), false)
})

test.run()
