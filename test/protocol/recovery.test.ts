import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Command, MessageType, Phase } from '../../src/protocol/messages.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { Story } from './story.ts'

/** Scenarios of test/README.md in which recoveries find out what was decided; their numbers are those of the README. */
const test = suite('recovery')

const { commit, waiting } = MessageType

function each(title: string, run: (maker: EngineMaker) => void): void {
  for (const maker of engineMakers) test(`${title} (${maker.kind})`, () => run(maker))
}

/** 0.1 commits on the fast path with these answers; nobody hears of it. */
function fastCommit(story: Story, others: readonly number[]): void {
  story.propose(0, 'a')
  story.preAccept(0, others)
  story.preAcceptOk(0, others)
  assert.is(story.at(0).core.counts.fast, 1)
  story.lose()
}

each('1: a recovery that is tried twice finds the dependencies of a fast commit', (maker) => {
  const story = new Story(3, maker)
  fastCommit(story, [1])
  story.cluster.crash(0)
  story.propose(2, 'a')
  story.preAccept(2, [1])
  story.preAcceptOk(2, [1])
  story.settle()
  story.recover(0, 2, [])
  story.settle()
  assert.is(story.outcome('0.1'), '[0,0,0]')
  assert.is(story.outcome('2.1'), '[1,0,0]')
})

each('1: two ballots of one recoverer, answered late and mixed, give one outcome', (maker) => {
  const story = new Story(3, maker)
  fastCommit(story, [1])
  story.cluster.crash(0)
  story.begin(0, 2)
  story.deliver({ type: MessageType.recover, to: 1 }, true)
  story.restart(2)
  story.begin(0, 2)
  story.settle()
  assert.is(story.outcome('0.1'), '[0,0,0]')
  assert.ok((story.at(2).core.instance(0, 1)?.ballot ?? 0) > 3)
})

each('2: a recoverer that knows a conflicting commit makes the two depend, or ends one', (maker) => {
  const story = new Story(3, maker)
  story.propose(0, 'a')
  story.lose()
  story.propose(1, 'a')
  story.preAccept(1, [2])
  story.preAcceptOk(1, [2])
  story.recover(0, 2, [0])
  story.settle()
  assert.is(story.outcome('0.1'), 'noop')
})

each('2: what was committed without the instance ends it, also where one of the others agrees with it', (maker) => {
  const story = new Story(5, maker)
  story.propose(0, 'a')
  story.preAccept(0, [3])
  story.lose()
  story.propose(1, 'a')
  story.preAccept(1, [2, 4])
  story.preAcceptOk(1, [2, 4])
  story.deliver({ type: commit, to: 2 })
  story.recover(0, 2, [3, 4])
  story.validate(0, 2, [3, 4])
  story.settle()
  assert.is(story.outcome('0.1'), 'noop')
  assert.is(story.outcome('1.1'), '[0,0,0,0,0]')
})

for (const replicas of [5, 7]) {
  each(`4: a promise is not a vote: two recoverers and three ballots, n = ${replicas}`, (maker) => {
    const story = new Story(replicas, maker)
    const slow = story.at(0).core.quorums.slow
    const early = Array.from({ length: slow - 1 }, (_, i) => i + 2)
    const last = replicas - 1
    // 0 accepts its own command in ballot 0; nobody hears of it.
    story.propose(last, 'a')
    story.preAccept(last, [...early.filter((id) => id !== last), 1])
    story.lose()
    story.propose(0, 'a')
    story.preAccept(0, [1, ...early])
    story.preAcceptOk(0, [1, ...early])
    assert.is(story.at(0).core.instance(0, 1)?.phase, Phase.accepted)
    story.lose()
    // 1 finds no replica that agrees: a no-op, accepted by a quorum.
    story.recover(0, 1, early)
    story.accept(0, 1, early)
    assert.is(story.outcome('0.1'), 'noop')
    story.lose()
    // All promise a higher ballot to 2, and 2 dies.
    story.begin(0, 2)
    for (const { id } of story.cluster.replicas)
      if (id > 2 || id === 0) story.deliver({ type: MessageType.recover, to: id })
    story.cluster.crash(2)
    story.lose()
    // 3 hears of both values.
    const others = [0, ...Array.from({ length: slow - 2 }, (_, i) => i + 4)].slice(0, slow - 1)
    story.recover(0, 3, others)
    assert.is(story.at(3).core.instance(0, 1)?.command, Command.noop)
    story.settle()
    assert.is(story.outcome('0.1'), 'noop')
  })
}

each('11: two dependency vectors among the answers of a recovery', (maker) => {
  for (const replicas of [3, 5]) {
    const story = new Story(replicas, maker)
    story.propose(2, 'a')
    story.lose()
    story.propose(0, 'a')
    story.preAccept(0, [1, 2])
    story.lose()
    story.cluster.crash(0)
    story.recover(0, 1, replicas === 3 ? [2] : [2, 3])
    story.settle()
    assert.is.not(story.outcome('0.1'), 'undecided')
    assert.is.not(story.outcome('2.1'), 'undecided')
  }
})

for (const replicas of [3, 5, 7]) {
  each(
    `17: the fast commit is inferred when its side dies and the dissenters never answered, n = ${replicas}`,
    (maker) => {
      const story = new Story(replicas, maker)
      const { fast, crashes } = story.at(0).core.quorums
      const dissenters = Array.from({ length: replicas - fast }, (_, i) => fast + i)
      const last = replicas - 1
      story.propose(last, 'a')
      for (const id of dissenters) if (id !== last) story.preAccept(last, [id])
      story.propose(0, 'a')
      story.preAccept(0, [...Array(replicas).keys()].slice(1))
      story.preAcceptOk(0, [...Array(fast).keys()].slice(1))
      assert.is(story.at(0).core.counts.fast, 1)
      story.lose({ from: 0 })
      for (let id = 0; id < crashes; id++) story.cluster.crash(id)
      story.settle()
      assert.is(story.outcome('0.1'), `[${Array(replicas).fill(0)}]`)
    },
  )
}

each('a wait goes on while the awaited recovery counts no more than n − f − e', (maker) => {
  const story = new Story(5, maker)
  story.propose(3, 'a')
  story.preAccept(3, [4])
  story.lose()
  story.propose(0, 'a')
  story.preAccept(0, [1, 2, 4])
  story.recover(3, 4, [0, 1])
  story.validate(3, 4, [0, 1])
  story.recover(0, 1, [2, 4])
  story.validate(0, 1, [2, 4])
  story.preAcceptOk(0, [1, 2])
  assert.is(story.at(0).core.counts.fast, 1)
  story.lose({ type: commit })
  story.deliver({ type: waiting, row: 3, to: 1 })
  assert.is(story.at(1).core.instance(0, 1)?.attempt?.kind, 'waiting')
  // The other way round it ends: two agree on 0.1.
  story.deliver({ type: waiting, row: 0, to: 4 })
  assert.is(story.at(4).core.instance(3, 1)?.attempt?.kind, 'accepting')
  story.settle()
  assert.is(story.outcome('3.1'), 'noop')
  assert.is(story.outcome('0.1'), '[0,0,0,0,0]')
})

each('what the recoverer knows as harmless does not end a recovery, although its coordinator is outside Q', (maker) => {
  const story = new Story(5, maker)
  story.propose(1, 'a')
  story.preAccept(1, [3])
  story.lose()
  story.propose(0, 'a')
  story.preAccept(0, [2])
  story.lose()
  const noop = {
    epoch: 0,
    row: 1,
    slot: 1,
    ballot: 3,
    command: Command.noop,
    deps: [0, 0, 0, 0, 0],
    batch: null,
  } as const
  story.at(2).receive(4, { type: commit, ...noop })
  story.recover(0, 2, [3, 4])
  story.validate(0, 2, [3, 4])
  const { attempt, command } = story.at(2).core.instance(0, 1) ?? {}
  assert.equal([attempt?.kind, command], ['accepting', Command.batch])
})

each('an answer of the initial coordinator ends a recovery in a no-op, although the others agree', (maker) => {
  const story = new Story(3, maker)
  story.propose(0, 'a')
  story.preAccept(0, [1])
  story.recover(0, 1, [0])
  const { attempt, command } = story.at(1).core.instance(0, 1) ?? {}
  assert.equal([attempt?.kind, command], ['accepting', Command.noop])
  story.settle()
  assert.is(story.outcome('0.1'), 'noop')
})

each('fewer that agree than a fast commit would leave end in a no-op', (maker) => {
  const story = new Story(4, maker)
  story.propose(0, 'a')
  story.preAccept(0, [1])
  story.lose()
  story.recover(0, 1, [2, 3])
  const { attempt, command } = story.at(1).core.instance(0, 1) ?? {}
  assert.equal([attempt?.kind, command], ['accepting', Command.noop])
})

each(
  'an instance whose initial dependencies lack the recovered one counts against it, whatever others added',
  (maker) => {
    const story = new Story(5, maker)
    story.propose(4, 'a')
    story.propose(0, 'a')
    story.preAccept(0, [1])
    story.preAccept(4, [1])
    story.lose()
    assert.equal(story.at(1).core.instance(4, 1)?.deps, [1, 0, 0, 0, 0])
    story.recover(0, 2, [1, 3])
    story.validate(0, 2, [1, 3])
    // 4 is outside Q and may have committed 4.1 without 0.1: then 1 was in the fast quorum of 4.1, and not in that of
    // 0.1.
    const { attempt, command } = story.at(2).core.instance(0, 1) ?? {}
    assert.equal([attempt?.kind, command], ['accepting', Command.noop])
  },
)

each('10: execution goes on past a recovered no-op', (maker) => {
  const story = new Story(3, maker)
  story.propose(0, 'a')
  story.lose()
  story.propose(0, 'a')
  story.preAccept(0, [1])
  story.cluster.crash(0)
  story.lose()
  story.propose(1, 'a')
  story.settle()
  assert.is(story.outcome('0.1'), 'noop')
  assert.equal(story.at(1).executed, ['0.2', '1.1'])
  assert.equal(story.at(2).executed, ['0.2', '1.1'])
})

each('22: five recoverers of one instance come to an end', (maker) => {
  for (let seed = 1; seed <= 5; seed++) {
    const story = new Story(5, maker)
    story.propose(0, 'a')
    story.preAccept(0, [seed % 5 || 1])
    story.lose()
    for (let id = 0; id < 5; id++) story.begin(0, (id + seed) % 5)
    story.settle()
    assert.is.not(story.outcome('0.1'), 'undecided')
  }
})

test.run()
