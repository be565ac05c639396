import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { faultsOf, type LineOperation, type Transcript } from './judge.ts'

const test = suite('judge of transcripts and answers')

const HISTORY: readonly LineOperation[] = [
  { process: 0, input: 'a one', output: 1, calledAt: 0, returnedAt: 2 },
  { process: 1, input: 'a two', output: 2, calledAt: 1, returnedAt: 3 },
  { process: 0, input: 'b one', output: 1, calledAt: 3, returnedAt: 4 },
  { process: 1, input: 'a three', output: 3, calledAt: 5, returnedAt: 6 },
]
const GOOD = whole('a one', 'a two', 'b one', 'a three')

function whole(...lines: string[]): Transcript {
  return { lines, isWhole: true }
}

function killed(...lines: string[]): Transcript {
  return { lines, isWhole: false }
}

test('lines of one key in the order of their answers are right, whatever the order of keys', () => {
  assert.equal(faultsOf([GOOD, GOOD, GOOD], HISTORY), [])
  assert.equal(faultsOf([GOOD, whole('b one', 'a one', 'a two', 'a three')], HISTORY), [])
})

test('a killed replica may lack the end of each key, and nothing else', () => {
  assert.equal(faultsOf([GOOD, killed('a one')], HISTORY), [])
  assert.match(faultsOf([GOOD, killed('a two')], HISTORY).join(), /replica 1, a, line 1: "a two", answered "a one"/)
  assert.match(faultsOf([GOOD, killed('c one')], HISTORY).join(), /replica 1, c, line 1: "c one", answered ""/)
})

test('an order that differs, a line that lacks, one that is there twice and one that nobody proposed are found', () => {
  const wrong: [Transcript, RegExp][] = [
    [whole('a two', 'a one', 'b one', 'a three'), /replica 2, a, line 1: "a two", answered "a one"/],
    [whole('a one', 'a two', 'a three'), /replica 2, b, line 1: "", answered "b one"/],
    [whole('a one', 'a two', 'b one', 'a three', 'a one'), /replica 2, a, line 4: "a one", answered ""/],
    [whole('a one', 'a two', 'b one', 'a three', 'c one'), /replica 2, c, line 1: "c one", answered ""/],
  ]
  for (const [transcript, fault] of wrong) assert.match(faultsOf([GOOD, GOOD, transcript], HISTORY).join(), fault)
})

test('answers in an order that time forbids, two equal ones and one that is out of range are found', () => {
  const answers = (...numbers: number[]) =>
    HISTORY.map((operation, i) => ({ ...operation, output: numbers[i] as number }))
  const late = whole('a three', 'a one', 'a two', 'b one')
  assert.match(faultsOf([late, late, late], answers(2, 3, 1, 1)).join(), /cannot be placed/)
  assert.match(faultsOf([GOOD, GOOD, GOOD], answers(1, 2, 1, 2)).join(), /cannot be placed/)
  assert.match(faultsOf([GOOD, GOOD, GOOD], answers(1, 2, 1, 4)).join(), /cannot be placed/)
})

test.run()
