import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hashed, hashKey } from '../../src/engine/footprint.ts'
import { Table } from '../../src/machine/table.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { text, utf8 } from './support.ts'

const test = suite('table')

function put(table: Table, key: string, value: string): void {
  const [keyBytes, valueBytes] = [utf8(key), utf8(value)]
  table.put(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes.length)
}

function get(table: Table, key: string): string | undefined {
  const bytes = utf8(key)
  const entry = table.find(bytes, 0, bytes.length)
  return entry < 0 ? undefined : text(table.bytes(entry).subarray(table.valueStart(entry), table.valueEnd(entry)))
}

function remove(table: Table, key: string): boolean {
  const bytes = utf8(key)
  return table.remove(bytes, 0, bytes.length)
}

test('puts and removes of values of all sizes give what a Map gives', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const table = new Table()
  const model = new Map<string, string>()
  const rounds = 60_000
  for (let i = 0; i < rounds; i++) {
    const key = `k${random.below(i < rounds / 2 ? 3000 : 300)}`
    if (random.chance(0.4)) {
      assert.is(remove(table, key), model.delete(key), `seed ${seed}, round ${i}`)
    } else {
      const value = 'v'.repeat(random.below(random.chance(0.02) ? 9000 : 40)) + i
      put(table, key, value)
      model.set(key, value)
    }
    const other = `k${random.below(3000)}`
    assert.is(get(table, other), model.get(other), `seed ${seed}, round ${i}`)
  }
  assert.is(table.size, model.size)
  for (const [key, value] of model) assert.is(get(table, key), value, `seed ${seed}`)
  volume('table operations', rounds)
})

test('keys whose places meet are distinguished, also after removals among them', () => {
  const keys: string[] = []
  for (let i = 0; keys.length < 60; i++) {
    hashKey(utf8(`k${i}`))
    if ((hashed.lo & 127) > 120 || (hashed.lo & 127) < 4) keys.push(`k${i}`)
  }
  for (let removed = 0; removed < keys.length; removed++) {
    const table = new Table()
    for (const key of keys) put(table, key, `value of ${key}`)
    const gone = keys.filter((_, i) => i % (removed + 1) === 0)
    for (const key of gone) assert.ok(remove(table, key))
    for (const key of keys) assert.is(get(table, key), gone.includes(key) ? undefined : `value of ${key}`)
  }
})

test('entries are sorted by their keys, shorter ones first where one begins the other', () => {
  const table = new Table()
  for (const key of ['b', 'ab', 'a', 'abc', 'B', 'é']) put(table, key, '')
  const names = table
    .sorted()
    .map((entry) => text(table.bytes(entry).slice(table.records.keyStart(entry), table.valueStart(entry))))
  assert.equal(names, ['B', 'a', 'ab', 'abc', 'b', 'é'])
})

test.run()
