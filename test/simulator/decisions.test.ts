import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { batch } from '../support/batches.ts'
import { Decisions } from './decisions.ts'
import { Violation } from './violation.ts'

const test = suite('the check of decisions')

const REPLICAS = 3

/** 1.1 is decided, and has executed at so many replicas; 0.1 interferes with it. */
function oneAt(count: number): Decisions {
  const decisions = new Decisions(REPLICAS)
  decisions.learned(1, 1, batch('x', 'a').footprint)
  decisions.learned(0, 1, batch('y', 'a').footprint)
  decisions.committed(1, 1, 1, [0, 0, 0])
  for (let replica = 0; replica < count; replica++) decisions.execution(replica).executed(1, 1)
  return decisions
}

function isOf(property: string): (error: unknown) => boolean {
  return (error) => error instanceof Violation && error.message.startsWith(property)
}

test('two that do not know of each other are a violation, unless one ran everywhere before', () => {
  for (const count of [0, 1, 2]) {
    assert.throws(() => oneAt(count).committed(0, 0, 1, [0, 0, 0]), isOf('Visibility'), `${count}`)
  }
  const decisions = oneAt(REPLICAS)
  decisions.committed(0, 0, 1, [0, 0, 0])
  assert.is(decisions.strangers, 1)
  const aware = oneAt(0)
  aware.committed(0, 0, 1, [0, 1, 0])
  assert.is(aware.strangers, 0)
})

test('a restarted replica that executes such a pair in the other order is a violation', () => {
  const decisions = oneAt(REPLICAS)
  decisions.committed(0, 0, 1, [0, 0, 0])
  const restarted = decisions.execution(2)
  assert.throws(() => restarted.executed(0, 1), isOf('Order'))
})

test.run()
