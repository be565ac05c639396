import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { volume } from '../support/volumes.ts'
import { replay } from './replay.ts'
import { type Found, search } from './search.ts'
import type { Bounds } from './system.ts'
import { walk } from './walk.ts'

const test = suite('model checker')

const LIMITS = { states: 1e6, minutes: 1 }

const ONE: Bounds = { replicas: 3, instances: 1, proposers: [0], recoveries: 1, crashes: 0, restarts: 0 }

function exhaust(bounds: Bounds): Found {
  const found = search(bounds, LIMITS)
  volume('model checker states', found.states)
  assert.is(found.violation, null)
  assert.ok(found.exhausted, 'all states were looked at')
  return found
}

test('one instance, and any recovery of it, at three replicas', () => {
  assert.ok(exhaust({ ...ONE, proposers: [0, 1, 2] }).states > 400)
})

test('two interfering instances at three replicas', () => {
  assert.ok(exhaust({ ...ONE, instances: 2, proposers: [0, 1], recoveries: 0 }).states > 4000)
})

test('two interfering instances of one row at three replicas, and a recovery', () => {
  assert.ok(exhaust({ ...ONE, instances: 2 }).states > 1000)
})

test('one instance, a crash that the others notice, and a recovery', () => {
  assert.ok(exhaust({ ...ONE, crashes: 1 }).states > 1000)
})

test('one instance, a restart that loses what is not synced, and a recovery', () => {
  assert.ok(exhaust({ ...ONE, restarts: 1 }).states > 4000)
})

test('a change of the members, a restart that loses what is not synced, and a recovery', () => {
  assert.ok(exhaust({ ...ONE, restarts: 1, changers: [0] }).states > 15_000)
})

test('a change of the members beside a command: done before it, or void and done in the next epoch', () => {
  const bounds = { ...ONE, instances: 2, proposers: [0, 1], recoveries: 0, changers: [0] }
  assert.ok(exhaust(bounds).states > 10_000)
  const all = outcomes(bounds)
  const reached = (what: RegExp) => all.some((outcome) => what.test(outcome))
  assert.ok(reached(/1\.1@0,change 0\.1@0 0,1\.1@0,change/), 'done in the old epoch')
  assert.ok(reached(/ left/), 'a removed replica leaves')
  assert.ok(reached(/1\.1@1,.* change 0\.1@0,1\.1@0 0,change 0\.1@0($| )/), 'void, and proposed again')
})

test('a quorum read at any time sees what has executed before: beside a recovery, and a restart', () => {
  assert.ok(exhaust({ ...ONE, reads: 1 }).states > 20_000)
  assert.ok(exhaust({ ...ONE, recoveries: 0, restarts: 1, reads: 1 }).states > 1000)
})

function outcomes(bounds: Bounds): string[] {
  const all = new Set<string>()
  const found = search(bounds, LIMITS, { outcome: (outcome) => all.add(outcome) })
  assert.ok(found.exhausted)
  return [...all].sort()
}

test('what is left out of a search takes no outcome away', () => {
  const bounds = [ONE, { ...ONE, recoveries: 0, instances: 2 }, { ...ONE, crashes: 1 }, { ...ONE, restarts: 1 }]
  bounds.push({ ...ONE, recoveries: 0, reads: 1 })
  for (const reduced of bounds) assert.equal(outcomes(reduced), outcomes({ ...reduced, plain: true }))
})

test('random walks of five replicas find no violation', () => {
  const bounds: Bounds = { replicas: 5, instances: 3, proposers: [0, 1, 2], recoveries: 3, crashes: 0, restarts: 0 }
  const found = walk(bounds, { walks: 20, steps: 100, seed: 1 }, LIMITS)
  volume('model checker steps of walks', found.transitions)
  assert.is(found.violation, null)
})

test('a trace is replayed, step by step, with the answers that it needs', () => {
  const trace = [
    'propose 0',
    'deliver 0→1 preAccept 0.1 initDeps=[0,0,0] batch',
    'deliver 1→0 preAcceptOk 0.1 ok=true deps=[0,0,0]',
  ]
  assert.equal(replay(ONE, trace), { property: '', steps: trace })
  assert.throws(() => replay(ONE, ['deliver 1→0 nack 0.1 ballot=2']), /not in flight/)
})

test.run()
