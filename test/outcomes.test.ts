import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ErrorCode } from '../src/errors.ts'
import { errorOf, Status } from '../src/execution/results.ts'
import { failureOf, Outcome } from '../src/machine/command-results.ts'
import { CommandExit, commandExit, MEANINGS, ReplicaExit, replicaExit, UNKNOWN_STATUS } from '../src/outcomes.ts'

const test = suite('what outcomes mean outside of the library')

test('each code has a meaning, and codes with one HTTP status have one exit code', () => {
  assert.equal(Object.keys(MEANINGS).sort(), Object.values(ErrorCode).sort())
  for (const [code, { status, command }] of Object.entries(MEANINGS)) {
    assert.is(commandExit(status), command, code)
    assert.is.not(status, UNKNOWN_STATUS, `${code}: a status that says "refused"`)
  }
  assert.is(commandExit(UNKNOWN_STATUS), CommandExit.unknown)
  assert.is(commandExit(599), CommandExit.refused)
})

test('a replica ends with the exit code of its reason; what is no error of ours is a defect', () => {
  assert.is(replicaExit({ code: ErrorCode.damaged }), ReplicaExit.storage)
  assert.is(replicaExit({ code: ErrorCode.refusedByPeers }), 5)
  assert.is(replicaExit({ code: ErrorCode.removed }), 5)
  assert.is(replicaExit({ code: 'EADDRINUSE' }), ReplicaExit.configuration)
  assert.is(replicaExit(new Error('?')), ReplicaExit.internal)
})

const said = (status: Status, how = {}): string => {
  const error = errorOf(status, how)
  return error === null ? 'done' : `${error.code} ${error.outcome}`
}

test('a command without a result is unknown unless nothing else can have done it', () => {
  assert.is(said(Status.kept), 'done')
  assert.is(said(Status.expired), 'session_expired unknown')
  assert.is(said(Status.expired, { once: true }), 'session_expired refused')
  assert.is(said(Status.refused), 'busy unknown')
  assert.is(said(Status.refused, { once: true }), 'busy refused')
  assert.is(said(Status.gone, { once: true }), 'result_gone unknown')
})

test('a result that had no room is refused only for a read, which can be sent again', () => {
  assert.is(said(Status.omitted, { once: true }), 'too_large unknown')
  assert.is(said(Status.omitted, { onlyReads: true }), 'too_large refused')
  assert.is(said(Status.crowded, { once: true }), 'busy unknown')
  assert.is(said(Status.crowded, { onlyReads: true }), 'busy refused')
})

test('what the key-value store did not do is certainly not done', () => {
  const codes = [Outcome.notCounter, Outcome.tooLarge, Outcome.invalid].map((outcome) => failureOf(outcome))
  assert.equal(
    codes.map((error) => `${error?.code} ${error?.outcome}`),
    ['not_counter refused', 'too_large refused', 'bad_command refused'],
  )
  for (const outcome of [Outcome.done, Outcome.absent, Outcome.unmet]) assert.is(failureOf(outcome), null)
})

test.run()
