import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NOT_WANTED, NOTHING, ResultBuffer } from '../../src/execution/result-buffer.ts'
import { freshSeed, Random } from '../support/random.ts'
import { volume } from '../support/volumes.ts'

const test = suite('result buffer')

/** Writes pieces that make `bytes` together. */
function write(buffer: ResultBuffer, bytes: Uint8Array, random: Random): void {
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(bytes.length - at, 1 + random.below(9))
    if (size === 1) buffer.u8(bytes[at] as number)
    else if (size === 4) buffer.u32(new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true))
    else buffer.bytes(bytes, at, at + size)
    at += size
  }
}

test('results stand one behind the other as they were written, or not at all where there is no room', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const buffer = new ResultBuffer()
  let dropped = 0
  for (let round = 0; round < 300; round++) {
    buffer.clear()
    const expected: number[] = []
    for (let result = random.below(8); result > 0; result--) {
      const bytes = Uint8Array.from({ length: random.below(random.chance(0.1) ? 900 : 20) }, () => random.below(256))
      const room = random.chance(0.5) ? Number.POSITIVE_INFINITY : random.below(24) - 1
      buffer.begin(room)
      assert.is(buffer.room, room)
      write(buffer, bytes, random)
      const fits = room >= 0 && bytes.length <= room
      assert.is(buffer.whole, fits, `seed ${seed}, round ${round}`)
      assert.is(buffer.length, fits ? bytes.length : 0)
      assert.is(buffer.room, fits ? room - bytes.length : NOT_WANTED)
      assert.equal(buffer.copy(), fits ? bytes : NOTHING)
      if (fits) expected.push(...bytes)
      else dropped++
    }
    assert.equal([...buffer.all.subarray(0, buffer.end)], expected, `seed ${seed}, round ${round}`)
  }
  assert.ok(dropped > 50, `${dropped}, seed ${seed}`)
  volume('results written piece by piece', 300)
})

test('after a piece that does not fit nothing is taken, however small', () => {
  const buffer = new ResultBuffer()
  buffer.begin(5)
  buffer.u8(1)
  buffer.text('12345')
  buffer.u8(2)
  buffer.patchU32(0, 7)
  assert.not.ok(buffer.whole)
  assert.is(buffer.end, 0)
  buffer.begin()
  buffer.text('ß')
  assert.equal([...buffer.copy()], [0xc3, 0x9f])
})

test('a size is filled in when what it counts is written', () => {
  const buffer = new ResultBuffer()
  buffer.begin()
  buffer.u8(9)
  buffer.begin()
  const at = buffer.length
  buffer.u32(0)
  buffer.text('abc')
  buffer.patchU32(at, buffer.length - 4)
  assert.equal([...buffer.all.subarray(0, buffer.end)], [9, 3, 0, 0, 0, 97, 98, 99])
})

test('copies are not changed by what is written later, and very short ones are shared', () => {
  const buffer = new ResultBuffer()
  const copies = ['x', 'x', 'xy'].map((text) => {
    buffer.clear()
    buffer.begin()
    buffer.text(text)
    return buffer.copy()
  })
  buffer.clear(0, 1)
  buffer.begin()
  buffer.text('zzzzz')
  assert.equal(
    copies.map((copy) => Buffer.from(copy).toString()),
    ['x', 'x', 'xy'],
  )
  assert.is(copies[0], copies[1])
})

test.run()
