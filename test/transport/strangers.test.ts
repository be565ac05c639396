import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Strangers } from '../../src/transport/strangers.ts'
import { until } from '../support/until.ts'

const test = suite('strangers')

function open(limit: number, graceMs = 0) {
  const evicted: string[] = []
  const strangers = new Strangers<string>({ limit, graceMs, evict: (name) => evicted.push(name) })
  return { strangers, evicted }
}

test('beyond the limit the oldest goes', () => {
  const { strangers, evicted } = open(3)
  for (const name of ['a', 'b', 'c', 'd', 'e']) strangers.add(name, '10.0.0.1')
  assert.equal([evicted, strangers.count], [['a', 'b'], 3])
})

test('an address with many strangers loses them before others lose one', () => {
  const { strangers, evicted } = open(4)
  strangers.add('victim', '10.0.0.1')
  for (let n = 0; n < 10; n++) strangers.add(`flood ${n}`, '10.0.0.2')
  strangers.add('another victim', '10.0.0.3')
  assert.not.ok(evicted.includes('victim') || evicted.includes('another victim'))
  assert.is(evicted[0], 'flood 0')
  assert.is(strangers.count, 4)
})

test('who has shown who it is is not evicted', () => {
  const { strangers, evicted } = open(2)
  strangers.add('friend', '10.0.0.1')
  assert.ok(strangers.delete('friend'))
  assert.not.ok(strangers.delete('friend'))
  for (const name of ['a', 'b', 'c']) strangers.add(name, '10.0.0.1')
  assert.equal(evicted, ['a'])
})

test('within the grace nobody is evicted, after it all beyond the limit', async () => {
  const { strangers, evicted } = open(2, 40)
  for (const name of ['a', 'b', 'c', 'd']) strangers.add(name, '10.0.0.1')
  assert.equal(evicted, [])
  strangers.delete('b')
  await until(() => evicted.length > 0, 'an eviction')
  assert.equal([evicted, strangers.count], [['a'], 2])
  strangers.close()
})

test('one can be asked to make room, whatever the limit', () => {
  const { strangers, evicted } = open(10)
  assert.not.ok(strangers.evictOne())
  strangers.add('a', '10.0.0.1')
  strangers.add('b', '10.0.0.1')
  assert.ok(strangers.evictOne())
  assert.equal(evicted, ['a'])
})

test.run()
