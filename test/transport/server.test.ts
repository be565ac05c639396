import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EpaxosError } from '../../src/errors.ts'
import { chooseServer } from '../../src/transport/server.ts'
import { loadUWebSockets } from '../../src/transport/uws.ts'
import { testServers } from '../support/servers.ts'

const test = suite('choice of the server')

const noBinary = () => loadUWebSockets(() => Promise.reject(new Error('no such binary')))

test('without a binary of uWebSockets.js the server is node, and says why', async () => {
  const { kind, reason } = await chooseServer(null, noBinary)
  assert.is(kind, 'node')
  assert.match(reason, /uWebSockets\.js has no binary that runs here/)
})

test('uws that is asked for and does not load is a clear error', async () => {
  try {
    await chooseServer('uws', noBinary)
    assert.unreachable()
  } catch (error) {
    assert.is((error as EpaxosError).code, 'unsupported_platform')
  }
})

test('node that is asked for does not even load the other', async () => {
  const { kind, reason } = await chooseServer('node', () => assert.unreachable() as never)
  assert.equal([kind, reason], ['node', ''])
})

test('where the binary loads, uws is the first choice', async () => {
  const kinds = testServers.map(({ kind }) => kind)
  if (process.env.EPAXOS_TEST_SERVER === undefined) assert.is((await chooseServer(null)).kind, kinds[0])
  assert.ok(kinds.includes('node') || process.env.EPAXOS_TEST_SERVER === 'uws')
})

test.run()
