import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FootprintBuilder } from '../../src/engine/footprint.ts'
import { EpaxosError } from '../../src/errors.ts'
import { ListStore, readTransaction, type Step, transactionOf } from '../../src/machine/list.ts'
import { footprint as addFootprint, apply } from '../support/apply.ts'
import { interferes } from '../support/interference.ts'
import { utf8 } from './support.ts'

const test = suite('list machine')

const run = (machine: ListStore, ...steps: Step[]) => readTransaction(apply(machine, transactionOf(steps)))
const read = (machine: ListStore, key: string) => run(machine, ['r', key, null])?.[0]?.[2]

function footprint(command: Uint8Array) {
  const keys = new FootprintBuilder()
  addFootprint(new ListStore(), command, keys)
  return keys.take()
}

test('steps are applied in order, and a read sees those before it', () => {
  const machine = new ListStore()
  assert.equal(run(machine, ['r', 'k', null], ['append', 'k', 1], ['r', 'k', null], ['append', 'k', [2]]), [
    ['r', 'k', null],
    ['append', 'k', 1],
    ['r', 'k', [1]],
    ['append', 'k', [2]],
  ])
  assert.equal(read(machine, 'k'), [1, [2]])
  run(machine, ['w', 'k', { a: null }])
  assert.equal(read(machine, 'k'), { a: null })
})

test('keys of different types are different keys', () => {
  const machine = new ListStore()
  run(machine, ['w', 1, 'number'], ['w', '1', 'string'])
  assert.is(run(machine, ['r', 1, null])?.[0]?.[2], 'number')
  assert.is(read(machine, '1'), 'string')
})

test('a transaction that appends to what is no list changes nothing at all', () => {
  const machine = new ListStore()
  run(machine, ['w', 'k', 'text'])
  assert.is(run(machine, ['append', 'l', 1], ['append', 'k', 1]), null)
  assert.is(read(machine, 'l'), null)
  assert.is(read(machine, 'k'), 'text')
})

test('what writes a key interferes with what reads it, reads do not', () => {
  const [reads, appends, writes] = [['r', 'k', null] as Step, ['append', 'k', 1] as Step, ['w', 'k', 1] as Step].map(
    (step) => footprint(transactionOf([step])),
  ) as [Uint32Array, Uint32Array, Uint32Array]
  assert.is(interferes(reads, reads), false)
  assert.is(interferes(reads, appends), true)
  assert.is(interferes(appends, writes), true)
  assert.is(interferes(appends, footprint(transactionOf([['w', 'other', 1]]))), false)
})

test('what is no transaction is refused, and changes nothing where a faulty replica let it pass', () => {
  const deep = `[["w","k",${'['.repeat(10_000)}${']'.repeat(10_000)}]]`
  const machine = new ListStore()
  for (const text of ['', '[', '{}', 'null', '["r"]', '[["r","k"]]', '[["x","k",1]]', '[["r","k",null,1]]', deep]) {
    const isBad = (error: unknown) => error instanceof EpaxosError && error.code === 'bad_command'
    assert.throws(() => footprint(utf8(text)), isBad, text.slice(0, 40))
    assert.is(readTransaction(apply(machine, utf8(text))), null)
  }
  assert.throws(() => footprint(Uint8Array.of(0x5b, 0xff, 0x5d)), /not a transaction/)
  assert.is(read(machine, 'k'), null)
})

test('equal states give equal snapshots, which restore; damaged ones change nothing', () => {
  const [one, two] = [new ListStore(), new ListStore()]
  for (let i = 0; i < 3000; i++) run(one, ['append', `k${i % 100}`, i])
  for (let k = 99; k >= 0; k--) {
    for (let i = k; i < 3000; i += 100) run(two, ['append', `k${k}`, i])
  }
  const snapshot = Buffer.concat([...one.snapshot()])
  assert.equal(Buffer.concat([...two.snapshot()]), snapshot)
  const copy = new ListStore()
  run(copy, ['w', 'old', 1])
  for (const damaged of [snapshot.subarray(1), snapshot.subarray(0, -1), Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0x31)]) {
    assert.throws(
      () => copy.restore([damaged]),
      (error: unknown) => error instanceof EpaxosError,
    )
  }
  assert.is(read(copy, 'old'), 1)
  copy.restore([snapshot])
  assert.is(read(copy, 'old'), null)
  assert.equal(read(copy, 'k7'), read(one, 'k7'))
})

test.run()
