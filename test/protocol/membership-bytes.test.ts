import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { INCARNATION_BYTES, isSameMembership, type Membership, membership } from '../../src/protocol/membership.ts'
import { decodeMembership, encodeMembership, MAX_ADDRESS_BYTES } from '../../src/protocol/membership-bytes.ts'
import { MAX_REPLICAS } from '../../src/protocol/quorums.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'

const test = suite('bytes of a membership')

function isMalformed(error: unknown): boolean {
  return error instanceof EpaxosError && error.code === 'malformed'
}

function drawn(random: Random): Membership {
  const count = 1 + random.below(MAX_REPLICAS)
  const epoch = random.pick([1, 2, 77, 2 ** 32 - 1])
  const first = random.pick([0, 5, 2 ** 31])
  return membership(
    epoch,
    Array.from({ length: count }, (_, row) => ({
      id: first + 3 * row,
      address: `${random.pick(['h', '[::1]', 'rechenzentrum-zürich', '数据'])}:${7000 + row}`,
      incarnation: Uint8Array.from({ length: INCARNATION_BYTES }, (_, i) => (i === 0 ? 1 + row : random.below(256))),
    })),
    {
      nextId: first + 3 * count + random.below(9),
      mayReturn: Array.from({ length: random.below(count) }, (_, row) => first + 3 * row + 1 + random.below(2)),
    },
  )
}

test('comes back as it was, at every size and alignment', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  for (let round = 0; round < 200; round++) {
    const value = drawn(random)
    const bytes = encodeMembership(value)
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    const read = decodeMembership(moved.subarray(3))
    assert.ok(isSameMembership(read, value), `EPAXOS_SEED=${seed}, round ${round}`)
    assert.equal(read, value)
  }
  for (let count = 1; count <= MAX_REPLICAS; count++) {
    assert.equal(decodeMembership(encodeMembership(members(count))), members(count))
  }
})

test('keeps nothing of the bytes that it was read from', () => {
  const value = drawn(new Random(1))
  const bytes = encodeMembership(value)
  const read = decodeMembership(bytes)
  bytes.fill(0)
  assert.equal(read, value)
})

test('bytes that are cut off, or too many, are malformed', () => {
  const bytes = encodeMembership(drawn(new Random(2)))
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeMembership(bytes.subarray(0, length)), isMalformed, `${length} bytes`)
  }
  assert.throws(() => decodeMembership(Uint8Array.of(...bytes, 0)), isMalformed)
})

test('a flipped bit gives another membership or an error, never anything else', () => {
  const seed = freshSeed()
  const value = drawn(new Random(seed))
  const bytes = encodeMembership(value)
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice()
    flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7))
    try {
      assert.not(isSameMembership(decodeMembership(flipped), value), `EPAXOS_SEED=${seed}, bit ${bit}`)
    } catch (error) {
      assert.ok(isMalformed(error), `EPAXOS_SEED=${seed}, bit ${bit}: ${error}`)
    }
  }
})

test('more members than there may be, and none, are malformed', () => {
  for (const count of [0, MAX_REPLICAS + 1, 2 ** 32 - 1]) {
    const bytes = encodeMembership(members(MAX_REPLICAS))
    new DataView(bytes.buffer).setUint32(8, count, true)
    assert.throws(() => decodeMembership(bytes), isMalformed, `${count} members`)
  }
})

test('an address has a limit', () => {
  const at = (length: number) =>
    membership(1, [{ id: 0, address: 'x'.repeat(length), incarnation: Uint8Array.of(1, ...new Array(15).fill(0)) }])
  assert.equal(decodeMembership(encodeMembership(at(MAX_ADDRESS_BYTES))), at(MAX_ADDRESS_BYTES))
  assert.throws(() => encodeMembership(at(MAX_ADDRESS_BYTES + 1)), /address of 263 bytes/)
})

test('an address that is not UTF-8 is malformed', () => {
  const bytes = encodeMembership(members(1))
  bytes[bytes.length - 1] = 0xff
  assert.throws(() => decodeMembership(bytes), isMalformed)
})

test.run()
