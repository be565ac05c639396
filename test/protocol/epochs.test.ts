import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Change, changed } from '../../src/protocol/change.ts'
import { Epochs, fateOf } from '../../src/protocol/epochs.ts'
import { INCARNATION_BYTES, type Member, type Membership, membership } from '../../src/protocol/membership.ts'
import { members } from '../support/members.ts'

const test = suite('epochs')

const FOUNDERS = members(3)

function directory(of: number): Uint8Array {
  return new Uint8Array(INCARNATION_BYTES).fill(of)
}

function after(current: Membership, change: Change): Membership {
  return changed(current, change, ({ id }: Member) => directory(id + 1))
}

const joiner = { address: 'joiner:7100', incarnation: directory(50) }
const without2 = after(FOUNDERS, { kind: 'remove', id: 2 })
const with3 = after(FOUNDERS, { kind: 'add', joiner })

test('the first Reconfigure closes the epoch, and nothing of it executes afterwards', () => {
  const epochs = new Epochs(FOUNDERS, 0)
  assert.equal([epochs.isOpen, epochs.next, epochs.row], [true, null, 0])
  assert.ok(epochs.executed(without2))
  assert.equal([epochs.isOpen, epochs.next], [false, without2])
})

test('a second Reconfigure in an epoch is void, whatever it says', () => {
  const epochs = new Epochs(FOUNDERS, 0)
  epochs.executed(without2)
  for (const second of [with3, without2]) assert.not(epochs.executed(second))
  assert.is(epochs.next, without2)
})

test('a Reconfigure of another epoch is void, and closes nothing', () => {
  const epochs = new Epochs(FOUNDERS, 0)
  const ofLater = changed(without2, { kind: 'remove', id: 1 })
  assert.not(epochs.executed(ofLater))
  assert.ok(epochs.isOpen)
  epochs.executed(without2)
  epochs.holds(without2)
  assert.not(epochs.executed(with3), 'that of the epoch before')
  assert.ok(epochs.isOpen)
  assert.ok(epochs.executed(ofLater))
})

test('the epoch changes when its closing checkpoint is durable, not before', () => {
  const epochs = new Epochs(FOUNDERS, 1)
  epochs.executed(without2)
  assert.equal([epochs.members.epoch, epochs.meets(0), epochs.meets(1)], [0, 'present', 'future'])
  assert.ok(epochs.holds(without2))
  assert.equal([epochs.members.epoch, epochs.meets(0), epochs.meets(1), epochs.isOpen], [1, 'past', 'present', true])
})

test('a checkpoint of the present epoch, or of an earlier one, begins no epoch', () => {
  const epochs = new Epochs(FOUNDERS, 1)
  assert.not(epochs.holds(FOUNDERS))
  epochs.executed(without2)
  assert.not(epochs.holds(FOUNDERS))
  assert.not(epochs.isOpen, 'the Reconfigure that executed still counts')
  epochs.holds(without2)
  for (const earlier of [FOUNDERS, without2]) assert.not(epochs.holds(earlier))
})

test('a replica that is behind enters a later epoch with the checkpoint of a peer, over several epochs at once', () => {
  const epochs = new Epochs(FOUNDERS, 1)
  const later = changed(changed(without2, { kind: 'add', joiner }), { kind: 'remove', id: 0 })
  assert.is(epochs.meets(later.epoch), 'future')
  assert.ok(epochs.holds(later))
  assert.equal([epochs.members, epochs.row, epochs.isOpen], [later, 0, true])
})

test('rows follow the positions in each epoch', () => {
  const without0 = after(FOUNDERS, { kind: 'remove', id: 0 })
  const rows = [0, 1, 2].map((id) => {
    const epochs = new Epochs(FOUNDERS, id)
    epochs.holds(without0)
    return epochs.row
  })
  assert.equal(rows, [-1, 0, 1])
})

test('another membership for the same epoch is a contradiction', () => {
  const epochs = new Epochs(FOUNDERS, 0)
  epochs.executed(without2)
  assert.throws(() => epochs.holds(with3), /same members everywhere/)
})

test('a removed replica stays until a quorum of the next epoch holds the checkpoint durably', () => {
  const epochs = new Epochs(FOUNDERS, 2)
  const replaced = after(FOUNDERS, { kind: 'replace', id: 2, joiner })
  epochs.executed(replaced)
  for (const id of [0, 1, 3]) epochs.heard(id, 1)
  assert.not(epochs.mayLeave, 'it is still a member')
  epochs.holds(replaced)
  assert.equal([epochs.row, epochs.mayLeave, epochs.without], [-1, false, [0, 1, 3]])
  epochs.heard(0, 1)
  epochs.heard(0, 1)
  assert.not(epochs.mayLeave, 'one member, heard twice')
  epochs.heard(2, 1)
  epochs.heard(9, 1)
  assert.not(epochs.mayLeave, 'itself, and a stranger')
  epochs.heard(1, 0)
  assert.not(epochs.mayLeave, 'a member that is still in the old epoch')
  epochs.heard(1, 5)
  assert.ok(epochs.mayLeave, 'a member of a later epoch holds even more')
  assert.equal(epochs.without, [3])
})

test('a member never leaves, however many hold the checkpoint', () => {
  const epochs = new Epochs(FOUNDERS, 0)
  epochs.holds(without2)
  epochs.heard(1, 1)
  assert.equal([epochs.without, epochs.mayLeave], [[], false])
})

test('who holds a checkpoint is counted anew in each epoch', () => {
  const epochs = new Epochs(FOUNDERS, 2)
  epochs.holds(with3)
  for (const id of [0, 1, 3]) epochs.heard(id, 1)
  const removed = changed(with3, { kind: 'remove', id: 2 })
  epochs.holds(removed)
  assert.equal([epochs.mayLeave, epochs.without], [false, [0, 1, 3]])
})

test('two members of a pair both hold it before the third may go', () => {
  const epochs = new Epochs(FOUNDERS, 2)
  epochs.holds(without2)
  epochs.heard(0, 1)
  assert.not(epochs.mayLeave)
  epochs.heard(1, 1)
  assert.ok(epochs.mayLeave)
})

test('a command that is void is proposed again or refused; one that is done is not done twice', () => {
  for (const inSession of [true, false]) {
    assert.is(fateOf({ done: false, inSession }, true), 'again')
    assert.is(fateOf({ done: false, inSession }, false), 'moved')
  }
  for (const isMember of [true, false]) {
    assert.is(fateOf({ done: true, inSession: true }, isMember), 'kept')
    assert.is(fateOf({ done: true, inSession: false }, isMember), 'unknown')
  }
})

test('a replica that comes back begins in the epoch of its durable checkpoint', () => {
  const epochs = new Epochs(membership(4, without2.members), 1)
  assert.equal([epochs.meets(3), epochs.meets(4), epochs.row], ['past', 'present', 1])
})

test.run()
