import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EpaxosError } from '../../src/errors.ts'
import { Core } from '../../src/protocol/core.ts'
import { Command, MessageType } from '../../src/protocol/messages.ts'
import { DEFAULT_TIMING } from '../../src/protocol/timing.ts'
import { batch } from '../support/batches.ts'
import { referenceEngine } from '../support/engine-makers.ts'
import { members } from '../support/members.ts'

const test = suite('states that differ')

/** Replica 0, which has executed nothing, and says state 7 of that. */
function coreOf(replicas: number): { core: Core; hear: (from: number, state: number, afterMs: number) => void } {
  const core = new Core({
    ...{ id: 0, members: members(replicas), engine: referenceEngine.make(replicas), timing: DEFAULT_TIMING },
    ...{ random: () => 0.5, start: 1, readBatch: null, stateHash: () => 7 },
  })
  core.found()
  core.start(0, 1000)
  let nowMs = 1000
  const executed = new Array(replicas).fill(0)
  const said = { committed: executed, executed, floor: executed, journal: 1 }
  return {
    core,
    hear: (from, state, afterMs) => {
      nowMs += afterMs
      core.tick(nowMs)
      core.receive(from, { type: MessageType.heartbeat, epoch: 0, sentMs: 1, echoMs: 0, ...said, state })
    },
  }
}

function codeOf(action: () => void): string {
  try {
    action()
  } catch (error) {
    return (error as EpaxosError).code
  }
  return 'none'
}

test('the one that differs from the others stops, after a second', () => {
  const { hear } = coreOf(3)
  hear(1, 8, 0)
  hear(2, 8, 10)
  hear(1, 8, 900)
  assert.is(
    codeOf(() => hear(2, 8, 200)),
    'contradiction',
  )
})

test('one broken member does not stop the others', () => {
  const { hear } = coreOf(3)
  for (let i = 0; i < 50; i++) {
    hear(1, 8, 100)
    hear(2, 7, 0)
  }
})

test('of two that differ both stop', () => {
  const { hear } = coreOf(2)
  hear(1, 8, 0)
  assert.is(
    codeOf(() => hear(1, 8, 1100)),
    'contradiction',
  )
})

test('a state that is not said, or that agrees again, stops nobody', () => {
  const { hear } = coreOf(2)
  hear(1, 8, 0)
  hear(1, 7, 600)
  hear(1, 8, 600)
  hear(1, 0, 600)
  hear(1, 7, 600)
})

test('a Commit with another outcome, or another payload, than what is committed stops the replica', () => {
  const about = { epoch: 0, row: 1, slot: 1, ballot: 0 }
  const commit = { type: MessageType.commit, ...about, command: Command.batch, deps: [0, 0, 0] } as const
  for (const other of [
    { ...commit, batch: batch('other', 'a') },
    { ...commit, deps: [1, 0, 0], batch: batch('one', 'a') },
    { type: MessageType.commit, ...about, ballot: 2, command: Command.noop, deps: [0, 0, 0], batch: null } as const,
  ]) {
    const { core, hear } = coreOf(3)
    hear(1, 0, 0)
    core.receive(1, { ...commit, batch: batch('one', 'a') })
    core.receive(2, { ...commit, batch: batch('one', 'a') })
    core.receive(2, { ...commit, batch: null })
    assert.is(
      codeOf(() => core.receive(2, other)),
      'contradiction',
    )
  }
})

test.run()
