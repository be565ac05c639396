import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eachMessage, epochOf, frame, frames, sealedFrames, unsealed } from '../../src/codec/frame.ts'
import * as limits from '../../src/codec/limits.ts'
import { EpaxosError } from '../../src/errors.ts'
import { MAX_SESSION_ID_BYTES } from '../../src/execution/groups.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../src/machine/commands.ts'
import { MAX_REPLICAS } from '../../src/protocol/quorums.ts'
import { MAX_FRAME_BYTES } from '../../src/transport/transport.ts'

const test = suite('frames')

const part = (size: number) => {
  const bytes = new Uint8Array(4 + size)
  new DataView(bytes.buffer).setUint32(0, size, true)
  return bytes
}

function bounds(bytes: Uint8Array): [number, number][] {
  const found: [number, number][] = []
  eachMessage(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), (start, end) => found.push([start, end]))
  return found
}

test('the limits agree with those of the other layers', () => {
  assert.is(limits.MAX_FRAME_BYTES, MAX_FRAME_BYTES)
  assert.is(limits.MAX_REPLICAS, MAX_REPLICAS)
  assert.is(limits.MAX_SESSION_BYTES, MAX_SESSION_ID_BYTES)
  assert.is(limits.MAX_KEY_BYTES, MAX_KEY_BYTES)
  assert.is(limits.MAX_VALUE_BYTES, MAX_VALUE_BYTES)
})

test('a frame is its parts, one after the other', () => {
  assert.equal(bounds(frame([part(8), part(4), part(16)])), [
    [4, 12],
    [16, 20],
    [24, 40],
  ])
  const only = part(8)
  assert.is(frame([only]), only)
  assert.is(frame([]).length, 0)
})

test('parts that are too much for one frame take several, in order, each within the limit', () => {
  const third = part(MAX_FRAME_BYTES / 2 - 4)
  const split = frames([part(4), third, third, part(8), third])
  assert.equal(
    split.map((each) => each.length),
    [8 + third.length, third.length + 12, third.length],
  )
  const small = frames([part(4), part(20), part(4), part(4), part(4)], 16).map((each) => each.length)
  assert.equal(small, [8, 24, 16, 8])
  assert.equal(frames([]), [])
  assert.equal(frames([part(4), part(4)]), [frame([part(4), part(4)])])
  assert.throws(
    () => frame([third, third, third]),
    (error: unknown) => (error as EpaxosError).code === 'too_large',
  )
})

test('a sealed frame opens to what was sealed, and to nothing if a bit was flipped or bytes are missing', () => {
  const parts = [part(8), part(64), part(4)]
  const epoch = 2 ** 32 - 2
  const [sealed, ...others] = sealedFrames(parts, epoch)
  assert.ok(sealed)
  assert.is(others.length, 0)
  assert.equal(unsealed(sealed), { epoch, content: frame(parts) })
  for (let bit = 0; bit < 8 * sealed.length; bit++) {
    const flipped = sealed.slice()
    flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
    assert.is(unsealed(flipped), null, `bit ${bit}`)
  }
  for (let length = 0; length < sealed.length; length++) assert.is(unsealed(sealed.subarray(0, length)), null)
  assert.is(unsealed(new Uint8Array(MAX_FRAME_BYTES + 4)), null)
  assert.equal(
    sealedFrames([part(4), part(20), part(4), part(4), part(4)], 0, 16).map((each) => each.length),
    [16, 32, 24, 16],
  )
  assert.equal(sealedFrames([], 0), [])
})

test('the epoch of a sealed frame is read without its checksum, at any offset; too few bytes name none', () => {
  const [sealed] = sealedFrames([part(8)], 70_000) as [Uint8Array]
  const moved = new Uint8Array(sealed.length + 3)
  moved.set(sealed, 3)
  moved[3] = (moved[3] as number) ^ 1
  assert.equal([epochOf(sealed), epochOf(moved.subarray(3)), unsealed(moved.subarray(3))], [70_000, 70_000, null])
  assert.is(epochOf(sealed.subarray(0, 8)), 70_000)
  for (let length = 0; length < 8; length++) assert.is(epochOf(sealed.subarray(0, length)), null)
})

test('a batch at its limits fits a sealed frame with its footprint', () => {
  const largest = limits.MAX_BATCH_BYTES + 4 * limits.MAX_FOOTPRINT_WORDS + 4096 - 4
  assert.is(sealedFrames([part(largest - 8)], 0).length, 1)
})

test('sizes that do not fit are malformed', () => {
  const lies = [0, 1, 6, 12, 2 ** 31, 2 ** 32 - 1]
  for (const lie of lies) {
    const bytes = frame([part(8), part(8)])
    new DataView(bytes.buffer).setUint32(12, lie, true)
    const isMalformed = (error: unknown) => error instanceof EpaxosError && error.code === 'malformed'
    assert.throws(() => bounds(bytes), isMalformed, String(lie))
  }
  assert.throws(() => bounds(part(6)), /a message of 6 bytes/)
  for (const length of [1, 2, 3]) assert.throws(() => bounds(new Uint8Array(length)), /malformed/)
  assert.throws(() => bounds(new Uint8Array(MAX_FRAME_BYTES + 4)), /malformed/)
})

test.run()
