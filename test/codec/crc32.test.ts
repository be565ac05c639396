import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { crc32, slicedCrc32 } from '../../src/codec/crc32.ts'
import { freshSeed, Random } from '../support/random.ts'
import { bytes } from './samples.ts'

const test = suite('crc32')

test('the check value of the standard', () => {
  const check = new TextEncoder().encode('123456789')
  assert.is(crc32(check), 0xcbf43926)
  assert.is(slicedCrc32(check), 0xcbf43926)
  assert.is(crc32(new Uint8Array(0)), 0)
})

test('Node’s and ours agree, at every length and on views', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  for (let round = 0; round < 200; round++) {
    const view = bytes(random, round < 100 ? round : random.below(5000)).subarray(random.below(3))
    assert.is(crc32(view), slicedCrc32(view), `EPAXOS_SEED=${seed}`)
  }
})

test.run()
