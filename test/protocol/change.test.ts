import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EpaxosError } from '../../src/errors.ts'
import { type Change, changed, hasQuorumUp, mayFollow } from '../../src/protocol/change.ts'
import {
  INCARNATION_BYTES,
  isSameMembership,
  type Member,
  type Membership,
  membership,
} from '../../src/protocol/membership.ts'
import { MAX_REPLICAS } from '../../src/protocol/quorums.ts'
import { members } from '../support/members.ts'
import { freshSeed, Random } from '../support/random.ts'

const test = suite('change of the members')

function directory(of: number): Uint8Array {
  return new Uint8Array(INCARNATION_BYTES).fill(of)
}

/** The directory of a founding member. */
const ofFounder = ({ id }: Member) => directory(id + 1)

/** The epoch after the founding, with the same members. */
function later(count: number): Membership {
  const founders = members(count).members.map((member) => ({ ...member, incarnation: ofFounder(member) }))
  return membership(1, founders)
}

function joiner(of: number) {
  return { address: `joiner-${of}:7100`, incarnation: directory(of) }
}

function ids({ members }: Membership): number[] {
  return members.map(({ id }) => id)
}

function refused(current: Membership, change: Change, why: RegExp): void {
  assert.throws(
    () => changed(current, change, ofFounder),
    (error: unknown) => error instanceof EpaxosError && error.code === 'bad_change' && why.test(error.message),
    String(why),
  )
}

test('a replica that is added comes last, with an id that nobody had', () => {
  const next = changed(later(3), { kind: 'add', joiner: joiner(50) })
  assert.equal([next.epoch, ids(next), next.nextId, next.quorums.replicas], [2, [0, 1, 2, 3], 4, 4])
  assert.equal(next.members[3], { id: 3, ...joiner(50) })
})

test('the first change names the directories of the founders', () => {
  const next = changed(members(3), { kind: 'add', joiner: joiner(50) }, ofFounder)
  assert.is(next.epoch, 1)
  assert.equal(
    next.members.map(({ incarnation }) => incarnation),
    [directory(1), directory(2), directory(3), directory(50)],
  )
  assert.ok(mayFollow(members(3), next))
})

test('after a removal the others move up in the rows and keep their ids', () => {
  const next = changed(later(3), { kind: 'remove', id: 1 })
  assert.equal([ids(next), next.nextId, next.quorums.replicas], [[0, 2], 3, 2])
})

test('the id of a removed member is not used again', () => {
  const two = changed(later(3), { kind: 'remove', id: 2 })
  const three = changed(two, { kind: 'add', joiner: joiner(50) })
  assert.equal([ids(three), three.nextId], [[0, 1, 3], 4])
})

test('who was removed because it stayed away may return once, with another id', () => {
  const without = changed(later(3), { kind: 'remove', id: 1, mayReturn: true })
  assert.equal([ids(without), without.mayReturn], [[0, 2], [1]])
  assert.ok(mayFollow(later(3), without))
  const other = changed(without, { kind: 'add', joiner: joiner(50) })
  assert.equal([ids(other), other.mayReturn], [[0, 2, 3], [1]])
  const back = changed(other, { kind: 'add', joiner: joiner(51), returning: 1 })
  assert.equal([ids(back), back.mayReturn], [[0, 2, 3, 4], []])
  assert.ok(mayFollow(other, back))
  refused(back, { kind: 'add', joiner: joiner(52), returning: 1 }, /replica 1 may not return/)
  refused(changed(later(3), { kind: 'remove', id: 1 }), { kind: 'add', joiner: joiner(50), returning: 1 }, /may not/)
})

test('a replacement takes the row of whom it replaces, in one step, also at the same address', () => {
  const next = changed(later(3), { kind: 'replace', id: 1, joiner: joiner(50) })
  assert.equal([ids(next), next.nextId, next.quorums.replicas], [[0, 3, 2], 4, 3])
  const address = later(3).members[1]!.address
  const sameMachine = changed(later(3), { kind: 'replace', id: 1, joiner: { address, incarnation: directory(50) } })
  assert.equal(sameMachine.members[1], { id: 3, address, incarnation: directory(50) })
})

test('the last member stays', () => {
  refused(later(1), { kind: 'remove', id: 0 }, /last member/)
  assert.equal(ids(changed(later(1), { kind: 'replace', id: 0, joiner: joiner(50) })), [1])
})

test('a member that is not there can be neither removed nor replaced', () => {
  refused(later(3), { kind: 'remove', id: 3 }, /no member has the id 3: the members are 0, 1, 2/)
  refused(later(3), { kind: 'replace', id: 7, joiner: joiner(50) }, /no member has the id 7/)
  const without = changed(later(3), { kind: 'remove', id: 1 })
  refused(without, { kind: 'remove', id: 1 }, /the members are 0, 2/)
})

test('a member joins once', () => {
  const again = { address: 'elsewhere:7100', incarnation: directory(2) }
  refused(later(3), { kind: 'add', joiner: again }, /member already: replica 1/)
  refused(later(3), { kind: 'replace', id: 1, joiner: again }, /member already: replica 1/)
  refused(members(3), { kind: 'add', joiner: again }, /member already: replica 1/)
})

test('the address of a member that stays is taken', () => {
  const taken = { address: later(3).members[1]!.address, incarnation: directory(50) }
  refused(later(3), { kind: 'add', joiner: taken }, /is the address of replica 1, which stays/)
  refused(later(3), { kind: 'replace', id: 0, joiner: taken }, /is the address of replica 1, which stays/)
})

test('a full cluster takes nobody, but replaces', () => {
  refused(later(MAX_REPLICAS), { kind: 'add', joiner: joiner(50) }, /at most 16/)
  const next = changed(later(MAX_REPLICAS), { kind: 'replace', id: 15, joiner: joiner(50) })
  assert.is(next.quorums.replicas, MAX_REPLICAS)
})

test('a change leaves the membership as it was', () => {
  const before = later(3)
  changed(before, { kind: 'remove', id: 1 })
  changed(before, { kind: 'add', joiner: joiner(50) })
  assert.ok(isSameMembership(before, later(3)))
})

test('every change may follow its membership, and no other one: from 1 member to 9 and back', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const epochs = [later(1)]
  const used = new Set(ids(epochs[0]!))
  for (let joined = 60; joined < 160; joined++) {
    const current = epochs.at(-1)!
    const { replicas } = current.quorums
    const grows = replicas === 1 || (replicas < 9 && random.chance(0.5))
    const id = random.pick(ids(current))
    const change: Change = grows
      ? { kind: 'add', joiner: joiner(joined) }
      : random.chance(0.3)
        ? { kind: 'replace', id, joiner: joiner(joined) }
        : { kind: 'remove', id }
    const next = changed(current, change)
    for (const [epoch, earlier] of epochs.entries()) {
      assert.is(mayFollow(earlier, next), epoch === epochs.length - 1, `EPAXOS_SEED=${seed}, joined ${joined}`)
    }
    for (const fresh of ids(next).filter((each) => !ids(current).includes(each))) {
      assert.not(used.has(fresh), `EPAXOS_SEED=${seed}: id ${fresh} was used before`)
      used.add(fresh)
    }
    epochs.push(next)
  }
})

test('of two changes at once the second one does not follow any more', () => {
  const current = later(3)
  const first = changed(current, { kind: 'add', joiner: joiner(50) })
  const second = changed(current, { kind: 'remove', id: 1 })
  assert.ok(mayFollow(current, first) && mayFollow(current, second))
  assert.not(mayFollow(first, second))
  assert.not(mayFollow(second, first))
})

test('nobody comes back under an old id, with another directory, or as somebody else', () => {
  const current = later(3)
  const [a, b, c] = current.members as [Member, Member, Member]
  const impossible: [string, readonly Member[], number][] = [
    ['another directory under its id', [a, b, { ...c, incarnation: directory(50) }], 3],
    ['a new replica with an id that was used', [a, b, { id: 2, ...joiner(50) }], 3],
    ['a member under a second id', [a, b, { ...c, id: 3 }], 4],
  ]
  for (const [what, list, nextId] of impossible) {
    assert.not(mayFollow(current, membership(2, list, { nextId })), what)
  }
  const shrunk = changed(changed(current, { kind: 'remove', id: 2 }), { kind: 'add', joiner: joiner(50) })
  assert.equal(ids(shrunk), [0, 1, 3])
  assert.not(mayFollow(shrunk, membership(4, [...shrunk.members, c], { nextId: 4 })), 'the id of a removed member')
  assert.not(mayFollow(shrunk, membership(4, shrunk.members.slice(0, 2), { nextId: 3 })), 'a next id that falls')
  for (const epoch of [3, 5]) assert.not(mayFollow(shrunk, membership(epoch, shrunk.members)), `epoch ${epoch}`)
})

test('the new members have a quorum up, or not', () => {
  const next = changed(later(3), { kind: 'add', joiner: joiner(50) })
  const up = (...those: number[]) => hasQuorumUp(next, ({ id }) => those.includes(id))
  assert.equal([up(0, 1, 2), up(0, 1, 3), up(0, 3), up()], [true, true, false, false])
  const pair = changed(later(1), { kind: 'add', joiner: joiner(50) })
  assert.not(
    hasQuorumUp(pair, ({ id }) => id === 0),
    'two members need both',
  )
})

test.run()
