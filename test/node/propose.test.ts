import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CommandError } from '../../src/errors.ts'
import { Outcome, readResult } from '../../src/machine/command-results.ts'
import { getCommand, incrementCommand, putCommand } from '../../src/machine/commands.ts'
import { Replicas } from '../support/replicas.ts'

const MEBIBYTE = 1 << 20

const test = suite('proposing to a replica')
let replicas: Replicas

test.before(async () => {
  replicas = await Replicas.open({ count: 1 })
})
test.after(() => replicas.close())

test('a result that does not fit is not reported as empty, and that of an update is always reported', async () => {
  const replica = replicas.replica(0)
  await replica.propose(putCommand('large', new Uint8Array(MEBIBYTE)))
  // One turn, so one batch.
  const reads = Array.from({ length: 80 }, () => replica.propose(getCommand('large')).catch((error) => error))
  const number = replica.propose(incrementCommand('n', 1))
  const outcomes = await Promise.all(reads)
  assert.is(Buffer.from(readResult(await number).value).toString(), '1')
  const values = outcomes.filter((outcome) => outcome instanceof Uint8Array)
  assert.ok(values.length < outcomes.length, 'not all fit')
  for (const value of values) assert.is(readResult(value).value.length, MEBIBYTE)
  for (const outcome of outcomes) {
    if (!(outcome instanceof Uint8Array)) assert.is(codeAndOutcome(outcome), 'busy unknown')
  }
})

test('a request number too far beyond the acknowledged one is not done, and unknown', async () => {
  const replica = replicas.replica(0)
  const session = { session: 'far', first: 2 ** 20 + 1, acknowledged: 0 }
  const refusal = await replica.propose(putCommand('far', 'x'), session).catch((error) => error)
  assert.is(codeAndOutcome(refusal), 'busy unknown')
  assert.is(readResult(await replica.propose(getCommand('far'))).outcome, Outcome.absent)
})

test('a request is done once, and unknown when it comes again after it was acknowledged', async () => {
  const replica = replicas.replica(0)
  const propose = (first: number, acknowledged: number) =>
    replica.propose(incrementCommand('once', 1), { session: 'once', first, acknowledged })
  for (const expected of ['1', '1']) assert.is(Buffer.from(readResult(await propose(1, 0)).value).toString(), expected)
  await propose(2, 1)
  assert.is(codeAndOutcome(await propose(1, 0).catch((error) => error)), 'session_expired unknown')
})

function codeAndOutcome({ code, outcome }: CommandError): string {
  return `${code} ${outcome}`
}

test.run()
