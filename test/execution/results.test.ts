import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import {
  groupEnd,
  MAX_GROUP_RESULT_BYTES,
  NOTHING,
  ResultReader,
  ResultWriter,
  Status,
} from '../../src/execution/results.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'
import { inWords } from './support.ts'

const test = suite('results')

test('results are read as they were written, group by group', () => {
  const writer = new ResultWriter()
  writer.beginGroup()
  writer.add(Status.applied, Uint8Array.of(0, 65))
  writer.add(Status.expired, NOTHING)
  writer.endGroup()
  writer.beginGroup()
  writer.endGroup()
  writer.beginGroup()
  writer.add(Status.kept, Uint8Array.of(1))
  writer.endGroup()
  const results = writer.take()
  assert.equal(inWords(results), [['applied 0A', 'expired'], [], ['kept 1']])
  writer.beginGroup()
  writer.endGroup()
  assert.equal(inWords(writer.take()), [[]])
  assert.equal(inWords(results).length, 3, 'bytes of their own')
})

test('what does not fit beside the other results of its group is omitted, the next group has room again', () => {
  const writer = new ResultWriter()
  const large = new Uint8Array(3 << 20)
  for (let group = 0; group < 2; group++) {
    writer.beginGroup()
    for (let i = 0; i < 4; i++) writer.add(Status.applied, large)
    writer.add(Status.applied, Uint8Array.of(0))
    writer.endGroup()
  }
  const results = writer.take()
  assert.ok(groupEnd(results, 0) < MAX_GROUP_RESULT_BYTES + 100)
  for (const words of inWords(results)) {
    assert.equal(
      words.map((word) => word.split(' ')[0]),
      ['applied', 'applied', 'omitted', 'omitted', 'applied'],
    )
  }
})

test('the large results of an instance stay below a limit, however many groups it has', () => {
  const writer = new ResultWriter()
  const large = new Uint8Array(7 << 20)
  for (let group = 0; group < 12; group++) {
    writer.beginGroup()
    writer.add(Status.applied, large)
    writer.endGroup()
  }
  for (let i = 0; i < 1000; i++) {
    writer.beginGroup()
    writer.add(Status.applied, new Uint8Array(64))
    writer.endGroup()
  }
  const results = writer.take()
  assert.ok(results.length <= (64 << 20) + 1000 * 77)
  const words = inWords(results).map(([word]) => word?.split(' ')[0])
  assert.equal(words.slice(8, 12), ['applied', 'crowded', 'crowded', 'crowded'])
  assert.ok(
    words.slice(12).every((word) => word === 'applied'),
    'small ones are always given',
  )
})

test('changed bytes are refused or read within their bounds', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const total = 20_000
  let refused = 0
  for (let i = 0; i < total; i++) {
    const writer = new ResultWriter()
    writer.beginGroup()
    for (let left = random.below(4); left > 0; left--) writer.add(Status.applied, new Uint8Array(random.below(9)))
    writer.endGroup()
    const bytes = writer.take()
    const kept = bytes.subarray(0, random.chance(0.3) ? random.below(bytes.length) : bytes.length)
    if (kept.length > 0) kept[random.below(kept.length)] = random.below(256)
    try {
      const reader = new ResultReader(kept)
      let count = 0
      while (reader.next()) count++
      assert.is(count, reader.count, `seed ${seed}, round ${i}`)
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      refused++
    }
  }
  assert.ok(refused > total / 4, `seed ${seed}`)
  volume('mutated results', total)
})

test.run()
