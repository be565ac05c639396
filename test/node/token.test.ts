import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { union } from '../../src/client/tokens.ts'
import { EpaxosError } from '../../src/errors.ts'
import { decodeToken, encodeToken } from '../../src/node/token.ts'

const test = suite('tokens')

const place = { clusterId: '3f9a1c02aaaaaaaaaaaaaaaaaaaaaaaa', epoch: 2 }

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return error instanceof EpaxosError ? error.code : String(error)
  }
  return 'none'
}

test('a token is text, and comes back as it was', () => {
  const token = encodeToken(place, [12, 0, 2 ** 53 - 1])
  assert.is(token, '3f9a1c02-2-12.0.9007199254740991')
  assert.equal(decodeToken(token, place, 3), [12, 0, 2 ** 53 - 1])
})

test('what is no token of this cluster is refused', () => {
  const bad = ['', 'x', '3f9a1c02-2-1.2', '3f9a1c02-2-1.2.3.4', '3f9a1c02-2-1.2.', '3f9a1c02-2-1.2.x', '3f9a1c02-2-']
  bad.push('3f9a1c02-2-01.2.3', '3f9a1c02-2-1.2.9007199254740992', '3f9a1c03-2-1.2.3', '3F9A1C02-2-1.2.3')
  for (const token of bad)
    assert.is(
      codeOf(() => decodeToken(token, place, 3)),
      'malformed',
      token,
    )
})

test('what had executed in an earlier epoch is in every state; a later epoch is not known here', () => {
  assert.equal(decodeToken('3f9a1c02-1-5.5.5.5.5', place, 3), [0, 0, 0])
  assert.is(
    codeOf(() => decodeToken('3f9a1c02-3-1.2.3', place, 3)),
    'not_ready',
  )
})

test('a client puts tokens together: as new as both', () => {
  assert.is(union('', 'c-0-1.2.3'), 'c-0-1.2.3')
  assert.is(union('c-0-1.2.3', ''), 'c-0-1.2.3')
  assert.is(union('c-0-1.5.3', 'c-0-4.2.3'), 'c-0-4.5.3')
  assert.is(union('c-0-9.9.9', 'c-1-1.1'), 'c-1-1.1')
  assert.is(union('c-2-1.1', 'c-1-9.9.9'), 'c-2-1.1')
})

test.run()
