import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MessageType } from '../../src/protocol/messages.ts'
import type { JournalRecord } from '../../src/protocol/records.ts'
import { RecordType } from '../../src/protocol/records.ts'
import { type EngineMaker, engineMakers } from '../support/engine-makers.ts'
import { Observer } from './observer.ts'
import { Story } from './story.ts'

/**
 * What is durable before what (protocol.md §9), as the shortest runs of §14 in which it matters. Each run is played on
 * a disk that keeps what was synced, and then on a disk that forgets a type of record in a crash. The second must show
 * the violation, otherwise the run proves nothing.
 */
const test = suite('durability')

type Forgets = (record: JournalRecord) => boolean

interface Run {
  readonly title: string
  readonly record: keyof typeof RecordType
  readonly violation: RegExp
  readonly replicas: number
  /** Nothing waits for these records, so a crash may lose them on the good disk, too. */
  readonly lazy?: keyof typeof RecordType
  readonly play: (story: Story, forgets: Forgets) => void
  readonly outcomes: Readonly<Record<string, string>>
}

const { accept, acceptOk, recover } = MessageType

/** Both others pre-accept 0.1 with 2.1, so 0 sends Accept in ballot 0; 1 and 2 know 2.1. */
function slow(story: Story): void {
  story.propose(2, 'a')
  story.preAccept(2, [1])
  story.lose()
  story.propose(0, 'a')
  story.preAccept(0, [1, 2])
  story.preAcceptOk(0, [1, 2])
  story.lose({ from: 1 })
  story.lose({ from: 2 })
}

const RUNS: readonly Run[] = [
  {
    title: '13: COM before a fast Commit leaves: the restarted coordinator knows that it committed',
    record: 'com',
    violation: /Agreement/,
    replicas: 3,
    play: (story, forgets) => {
      story.propose(0, 'a')
      story.preAccept(0, [1])
      story.preAcceptOk(0, [1])
      story.lose()
      story.restart(0, forgets)
      story.begin(0, 2)
      story.deliverAmong(0, 2)
    },
    outcomes: { '0.1': '[0,0,0]' },
  },
  {
    title: 'PRE before PreAcceptOk: whom a fast commit counted says so after a restart',
    record: 'pre',
    violation: /Agreement/,
    replicas: 3,
    play: (story, forgets) => {
      story.propose(0, 'a')
      story.preAccept(0, [1])
      story.preAcceptOk(0, [1])
      story.lose()
      story.restart(1, forgets)
      story.begin(0, 2)
      story.deliverAmong(1, 2)
    },
    outcomes: { '0.1': '[0,0,0]' },
  },
  {
    title: 'ACC before Accept leaves its coordinator: its own vote counts',
    record: 'acc',
    lazy: 'com',
    violation: /Agreement/,
    replicas: 3,
    play: (story, forgets) => {
      slow(story)
      story.accept(0, 0, [1])
      story.lose()
      story.restart(0, forgets)
      story.begin(0, 2)
      story.deliverAmong(0, 2)
    },
    outcomes: { '0.1': '[0,0,1]' },
  },
  {
    title: '12: ACC before AcceptOk: an acceptor that restarts keeps its vote',
    record: 'acc',
    violation: /Agreement/,
    replicas: 3,
    play: (story, forgets) => {
      slow(story)
      story.accept(0, 0, [1])
      story.lose()
      story.restart(1, forgets)
      story.begin(0, 2)
      story.deliverAmong(1, 2)
    },
    outcomes: { '0.1': '[0,0,1]' },
  },
  {
    title: 'BAL before RecoverOk: a promise holds against the Accept that it was made against',
    record: 'bal',
    violation: /Agreement/,
    replicas: 3,
    play: (story, forgets) => {
      slow(story)
      story.begin(0, 2)
      story.deliver({ type: recover, to: 1 })
      story.deliver({ type: MessageType.recoverOk, to: 2 })
      story.restart(1, forgets)
      story.deliver({ type: accept, from: 0, to: 1 })
      for (const sent of story.cluster.find({ type: acceptOk, to: 0 })) story.cluster.deliver(sent)
      story.lose({ from: 0 })
      story.deliverAmong(1, 2)
    },
    outcomes: { '0.1': 'noop' },
  },
  {
    title: 'VAL before ValidateOk: what was validated is pre-accepted around, over two restarts',
    record: 'val',
    violation: /Visibility/,
    replicas: 5,
    play: (story, forgets) => {
      story.propose(0, 'a')
      story.preAccept(0, [1])
      story.lose()
      story.recover(0, 1, [2, 3])
      story.validate(0, 1, [2, 3])
      story.restart(2, forgets)
      story.restart(3, forgets)
      story.propose(4, 'a')
      story.preAccept(4, [2, 3])
      story.preAcceptOk(4, [2, 3])
      story.lose({ from: 4 })
      story.deliverAmong(1, 2, 3)
    },
    outcomes: { '0.1': '[0,0,0,0,0]' },
  },
]

for (const { title, record, lazy, violation, replicas, play, outcomes } of RUNS) {
  for (const maker of engineMakers) {
    const forgets =
      (...types: (keyof typeof RecordType | undefined)[]): Forgets =>
      ({ type }) =>
        types.some((name) => name !== undefined && RecordType[name] === type)

    test(`${title} (${maker.kind})`, () => {
      const story = playOn(maker, replicas, (s) => new Observer(s.cluster), play, forgets(lazy))
      for (const [id, outcome] of Object.entries(outcomes)) assert.is(story.outcome(id), outcome)
    })

    test(`… and a disk that forgets ${record.toUpperCase()} shows it (${maker.kind})`, () => {
      assert.throws(() => playOn(maker, replicas, () => {}, play, forgets(lazy, record)), violation)
    })
  }
}

function playOn(
  maker: EngineMaker,
  replicas: number,
  watch: (story: Story) => void,
  play: Run['play'],
  forgets: Forgets,
): Story {
  const story = new Story(replicas, maker)
  watch(story)
  play(story, forgets)
  story.settle()
  return story
}

test.run()
