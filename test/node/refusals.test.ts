import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Refusals } from '../../src/node/refusals.ts'
import { standingOf } from '../transport/observer.ts'

const test = suite('refusals')

const [OURS, OTHERS] = ['a'.repeat(32), 'b'.repeat(32)]
const member = standingOf({ clusterId: OURS, founded: true })
const fresh = standingOf()

test('a member ends when more than f members of its own cluster refuse it at present, and not before', () => {
  const refusals = new Refusals(1)
  refusals.refused(0, 'copy', OURS)
  assert.is(refusals.whyEnd(member), null, "one peer's word ends nobody")
  refusals.refused(0, 'copy', OURS)
  assert.is(refusals.whyEnd(member), null, 'the same one twice')
  refusals.refused(2, 'foreign', OTHERS)
  refusals.refused(3, 'amnesiac', OTHERS)
  refusals.refused(4, 'amnesiac', null)
  assert.is(refusals.whyEnd(member), null, 'what strangers say')
  refusals.welcomed(0)
  refusals.refused(2, 'copy', OURS)
  assert.is(refusals.whyEnd(member), null, 'the first one has welcomed it since')
  refusals.refused(4, 'amnesiac', OURS)
  assert.match(refusals.whyEnd(member) ?? '', /replicas 2, 4 refuse this one/)
})

test('where no crash is survived, one is more than f', () => {
  const refusals = new Refusals(0)
  refusals.refused(1, 'copy', OURS)
  assert.match(refusals.whyEnd(member) ?? '', /a later start/)
})

test('a replica that is not founded ends when several members know its id with another directory', () => {
  const refusals = new Refusals(1)
  refusals.refused(0, 'amnesiac', OURS)
  refusals.refused(1, 'amnesiac', OTHERS)
  refusals.refused(2, 'copy', OURS)
  refusals.refused(3, 'amnesiac', null)
  assert.is(refusals.whyEnd(fresh), null)
  refusals.refused(4, 'amnesiac', OURS)
  assert.match(refusals.whyEnd(fresh) ?? '', /replicas 0, 4 .* another data directory/)
  const ofTwo = new Refusals(0)
  ofTwo.refused(1, 'amnesiac', OURS)
  assert.is(ofTwo.whyEnd(fresh), null, "one peer's word ends nobody")
})

test('it is news once, and is described', () => {
  const refusals = new Refusals(1)
  assert.ok(refusals.refused(2, 'row', null))
  assert.not(refusals.refused(2, 'row', null))
  assert.ok(refusals.refused(2, 'row', OURS))
  refusals.refused(1, 'secret', null)
  assert.is(
    refusals.describe((peer) => `replica ${peer}`),
    'refused by replica 1: it has another secret; refused by replica 2: another replica is expected at that address',
  )
  refusals.welcomed(1)
  refusals.welcomed(2)
  assert.is(
    refusals.describe(() => ''),
    '',
  )
})

test.run()
