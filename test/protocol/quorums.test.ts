import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MessageType } from '../../src/protocol/messages.ts'
import { MAX_REPLICAS, quorums } from '../../src/protocol/quorums.ts'
import { engineMakers } from '../support/engine-makers.ts'
import { Story } from './story.ts'

const test = suite('quorums')

/** The table of protocol.md §1: n, f, e, slow and recovery quorum, fast quorum, waiting threshold. */
const TABLE = [
  [1, 0, 0, 1, 1, 1],
  [2, 0, 0, 2, 2, 2],
  [3, 1, 1, 2, 2, 1],
  [4, 1, 1, 3, 3, 2],
  [5, 2, 2, 3, 3, 1],
  [6, 2, 2, 4, 4, 2],
  [7, 3, 2, 4, 5, 2],
  [8, 3, 3, 5, 5, 2],
  [9, 4, 3, 5, 6, 2],
] as const

for (const [n, f, e, slow, fast, waiting] of TABLE) {
  test(`n = ${n} survives ${f} crashes, ${e} of them on the fast path`, () => {
    const q = quorums(n)
    assert.equal([q.replicas, q.crashes, q.fastCrashes], [n, f, e])
    assert.equal([q.slow, q.recovery, q.fast, q.waiting], [slow, slow, fast, waiting])
  })
}

test('every smaller fast path is legal, and every larger one refused', () => {
  for (const [n, f, e] of TABLE) {
    for (let wanted = 0; wanted <= e; wanted++) assert.is(quorums(n, wanted).fast, n - wanted)
    for (let wanted = e + 1; wanted <= f + 1; wanted++) assert.throws(() => quorums(n, wanted), RangeError)
  }
  assert.throws(() => quorums(7, 3), /n ≥ max/)
})

test('sizes that are no sizes are refused', () => {
  for (const n of [0, -1, 1.5, Number.NaN, MAX_REPLICAS + 1]) assert.throws(() => quorums(n), RangeError)
  for (const e of [-1, 0.5, Number.NaN]) assert.throws(() => quorums(5, e), RangeError)
})

const { preAcceptOk, acceptOk, recoverOk } = MessageType

for (const [n, , , slow, fast] of TABLE) {
  for (const maker of engineMakers) {
    const others = Array.from({ length: n - 1 }, (_, i) => i + 1)

    test(`n = ${n}: the ${fast - 1}th equal answer commits, not one before (scenario 24, ${maker.kind})`, () => {
      const story = new Story(n, maker)
      story.propose(0, 'a')
      if (n > 1) story.preAccept(0, others)
      for (const id of others.slice(0, fast - 1)) {
        assert.is(story.at(0).core.counts.fast, 0)
        // A repetition is not another vote.
        story.deliver({ type: preAcceptOk, from: id }, true)
        story.deliver({ type: preAcceptOk, from: id })
      }
      assert.is(story.at(0).core.counts.fast, 1)
      assert.is(story.outcome('0.1'), `[${Array(n).fill(0)}]`)
    })

    if (n < 3) continue
    test(`n = ${n}: the ${slow - 1}th AcceptOk commits, not one before (scenario 24, ${maker.kind})`, () => {
      const story = new Story(n, maker)
      story.propose(n - 1, 'a')
      story.preAccept(n - 1, others.slice(0, -1))
      story.lose()
      story.propose(0, 'a')
      story.preAccept(0, others)
      story.preAcceptOk(0, others)
      for (const id of others) story.deliver({ type: MessageType.accept, to: id })
      for (const id of others.slice(0, slow - 1)) {
        assert.is(story.outcome('0.1'), 'undecided')
        story.deliver({ type: acceptOk, from: id }, true)
        story.deliver({ type: acceptOk, from: id })
      }
      assert.is(story.outcome('0.1'), `[${[...Array(n - 1).fill(0), 1]}]`)
    })

    test(`n = ${n}: the ${slow - 1}th answer decides a recovery, not one before (scenario 24, ${maker.kind})`, () => {
      const story = new Story(n, maker)
      story.begin(0, 1)
      for (const id of others.slice(1)) story.deliver({ type: MessageType.recover, to: id })
      for (const id of others.slice(1, slow)) {
        assert.is(story.at(1).core.instance(0, 1)?.attempt?.kind, 'recovering')
        story.deliver({ type: recoverOk, from: id }, true)
        story.deliver({ type: recoverOk, from: id })
      }
      assert.is(story.at(1).core.instance(0, 1)?.attempt?.kind, 'accepting')
    })
  }
}

test.run()
