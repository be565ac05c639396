import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  foundingMembers,
  INCARNATION_BYTES,
  isSameMembership,
  type Member,
  membership,
  rowOf,
} from '../../src/protocol/membership.ts'
import { MAX_REPLICAS, quorums } from '../../src/protocol/quorums.ts'
import { members } from '../support/members.ts'

const test = suite('membership')

const ADDRESSES = ['one:1', 'two:1', 'three:1']

function directory(of: number): Uint8Array {
  return new Uint8Array(INCARNATION_BYTES).fill(of)
}

function member(id: number, changes: Partial<Member> = {}): Member {
  return { id, address: `replica-${id}:7100`, incarnation: directory(id + 1), ...changes }
}

test('at the founding ids are rows, and nobody has an incarnation', () => {
  const founders = foundingMembers(ADDRESSES)
  assert.is(founders.epoch, 0)
  assert.equal(
    founders.members,
    ADDRESSES.map((address, id) => ({ id, address, incarnation: null })),
  )
  assert.equal(founders.quorums, quorums(3))
  for (const row of [0, 1, 2]) assert.is(rowOf(founders, row), row)
})

test('sizes up to the limit are allowed, in epoch 0 and later', () => {
  for (let count = 1; count <= MAX_REPLICAS; count++) {
    const founders = members(count)
    assert.is(founders.quorums.replicas, count)
    const later = membership(
      1,
      founders.members.map(({ id }) => member(id)),
    )
    assert.equal(later.quorums, founders.quorums)
  }
  assert.throws(() => foundingMembers([]), RangeError)
  assert.throws(() => members(MAX_REPLICAS + 1), RangeError)
})

test('a smaller fast path is part of the value', () => {
  assert.is(members(5).quorums.fastCrashes, 2)
  assert.is(members(5, 1).quorums.fastCrashes, 1)
  assert.throws(() => members(7, 3), RangeError)
  assert.not(isSameMembership(members(5), members(5, 1)))
})

test('in later epochs the row of a member is its position, whatever its id', () => {
  const later = membership(3, [member(4), member(0), member(17)])
  assert.equal(
    [4, 0, 17].map((id) => rowOf(later, id)),
    [0, 1, 2],
  )
  for (const stranger of [1, 2, 3, 5, -1]) assert.is(rowOf(later, stranger), -1)
})

test('an id, an address and an incarnation occur once', () => {
  assert.throws(
    () => membership(1, [member(1), member(2), member(1, { address: 'x:1', incarnation: directory(9) })]),
    /id/,
  )
  assert.throws(() => membership(1, [member(1), member(2, { address: member(1).address })]), /address/)
  assert.throws(() => membership(1, [member(1), member(2, { incarnation: directory(2) })]), /incarnation/)
  assert.throws(() => foundingMembers(['one:1', 'one:1']), /address/)
})

test('epochs and ids are unsigned 32-bit numbers', () => {
  for (const wrong of [-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => membership(wrong, [member(1)]), /epoch/, String(wrong))
    assert.throws(() => membership(1, [member(wrong)]), /id/, String(wrong))
    assert.throws(() => membership(1, [member(0)], { nextId: wrong }), /id/, String(wrong))
  }
  const last = membership(2 ** 32 - 1, [member(2 ** 32 - 2)])
  assert.equal([last.epoch, last.nextId], [2 ** 32 - 1, 2 ** 32 - 1])
})

test('the next id is above those of the members, and may be far above', () => {
  assert.is(members(3).nextId, 3)
  assert.is(membership(1, [member(4), member(1)]).nextId, 5)
  assert.is(membership(1, [member(4), member(1)], { nextId: 9 }).nextId, 9)
  assert.throws(() => membership(1, [member(4), member(1)], { nextId: 4 }), /id 4/)
})

test('a member has an address, and after epoch 0 an incarnation', () => {
  assert.throws(() => membership(1, [member(0, { address: '' })]), /no address/)
  assert.throws(() => membership(1, [member(0, { incarnation: null })]), /incarnation/)
  assert.throws(() => membership(0, [member(0)]), /incarnation/)
  for (const length of [0, INCARNATION_BYTES - 1, INCARNATION_BYTES + 1]) {
    assert.throws(() => membership(1, [member(0, { incarnation: new Uint8Array(length).fill(1) })]), /incarnation/)
  }
  assert.throws(() => membership(1, [member(0, { incarnation: directory(0) })]), /incarnation/)
})

test('equal memberships are equal, however they were made', () => {
  const made = () => membership(2, [member(4), member(0), member(17)])
  assert.ok(isSameMembership(made(), made()))
  assert.ok(isSameMembership(members(3), foundingMembers(members(3).members.map(({ address }) => address))))
})

test('every difference counts: epoch, rows, ids, addresses, incarnations, number, the next id', () => {
  const base = [member(4), member(0), member(17)]
  const value = membership(2, base)
  const others: [string, number, Member[]][] = [
    ['epoch', 3, base],
    ['rows', 2, [member(0), member(4), member(17)]],
    ['id', 2, [member(4), member(0), member(18, { address: member(17).address, incarnation: directory(18) })]],
    ['address', 2, [member(4), member(0), member(17, { address: 'moved:7100' })]],
    ['incarnation', 2, [member(4), member(0), member(17, { incarnation: directory(99) })]],
    ['fewer', 2, [member(4), member(0)]],
    ['more', 2, [...base, member(18)]],
  ]
  for (const [what, epoch, changed] of others) {
    const other = membership(epoch, changed)
    assert.not(isSameMembership(value, other), what)
    assert.not(isSameMembership(other, value), what)
  }
  assert.not(isSameMembership(value, membership(2, base, { nextId: 19 })))
})

test('a membership does not change when the list that it was made of does', () => {
  const list = [member(1), member(2)]
  const value = membership(1, list)
  list.pop()
  assert.is(value.members.length, 2)
  assert.throws(() => (value.members as Member[]).push(member(3)), TypeError)
})

test.run()
