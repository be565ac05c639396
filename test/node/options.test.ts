import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyValueStore } from '../../src/machine/key-value.ts'
import { type ReplicaOptions, resolveOptions } from '../../src/node/options.ts'

const test = suite("a replica's options")

const good: ReplicaOptions = { id: 0, peers: ['127.0.0.1:7101'], data: 'data', machine: new KeyValueStore() }

function refused(wrong: Partial<ReplicaOptions>, why: RegExp): void {
  assert.throws(
    () => resolveOptions({ ...good, ...wrong }),
    (error: { code: string; message: string }) => error.code === 'configuration' && why.test(error.message),
  )
}

test('what cannot be is refused, and named', () => {
  assert.is(resolveOptions(good).requestTimeoutMs, 2000)
  refused({ id: 1 }, /id 1/)
  refused({ id: 0.5 }, /id 0\.5/)
  refused({ peers: [] }, /not 0/)
  refused({ peers: ['127.0.0.1'] }, /not an address HOST:PORT: 127\.0\.0\.1$/)
  refused({ peers: ['127.0.0.1:65536'] }, /not an address/)
  refused({ peers: ['[::g]:1'] }, /not an address/)
  refused({ peers: ['[127.0.0.1]:1'] }, /not an address/)
  refused({ peers: ['127.0.0.1:1', '127.0.0.1:01'] }, /twice/)
  refused({ cluster: 'a b' }, /a b/)
  refused({ secret: 'short' }, /8 bytes/)
})

test('a replica that joins has neither id nor peers, a port, and a disk', () => {
  const joiner: ReplicaOptions = { join: '[::1]:7105', data: 'data', machine: new KeyValueStore() }
  const refusedJoiner = (wrong: Partial<ReplicaOptions>, why: RegExp) =>
    assert.throws(
      () => resolveOptions({ ...joiner, ...wrong }),
      (error: { code: string; message: string }) => error.code === 'configuration' && why.test(error.message),
    )
  const { id, peers, listen, data } = resolveOptions(joiner)
  assert.equal({ id, peers, listen, data }, { id: null, peers: [], listen: { host: '::1', port: 7105 }, data: 'data' })
  assert.equal(resolveOptions(good).listen, { host: '127.0.0.1', port: 7101 })
  refusedJoiner({ id: 0 }, /join is instead of id and peers/)
  refusedJoiner({ peers: ['127.0.0.1:7101'] }, /join is instead of id and peers/)
  refusedJoiner({ durability: 'memory' }, /durability memory cannot join/)
  refusedJoiner({ join: '127.0.0.1' }, /not an address HOST:PORT: 127\.0\.0\.1$/)
  refusedJoiner({ join: '' }, /not an address/)
  refusedJoiner({ join: '127.0.0.1:0' }, /needs a port/)
  refusedJoiner({ join: '0.0.0.0:7105' }, /beyond loopback \(0\.0\.0\.0\) needs a secret/)
  assert.is(resolveOptions({ ...joiner, join: '0.0.0.0:7105', secret: 'of many bytes' }).listen.port, 7105)
  const { id: _, peers: __, ...nobody } = good
  assert.throws(() => resolveOptions(nobody), /an id and peers, or join/)
  assert.throws(() => resolveOptions({ ...nobody, id: 0 }), /an id and peers, or join/)
})

test('a timeout is one that a timer can wait for', () => {
  // A timer with a longer time fires at once.
  for (const requestTimeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
    refused({ requestTimeoutMs }, /timeout/)
  }
  assert.is(resolveOptions({ ...good, requestTimeoutMs: 2 ** 31 - 1 }).requestTimeoutMs, 2 ** 31 - 1)
})

test('a session lives for a day, or as long as said, but for no less than a minute', () => {
  for (const sessionLifetimeMs of [0, 59_999, 1e5 + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    refused({ sessionLifetimeMs }, /a session lives/)
  }
  assert.is(resolveOptions({ ...good, sessionLifetimeMs: 60_000 }).sessionLifetimeMs, 60_000)
  assert.is(resolveOptions(good).sessionLifetimeMs, 86_400_000)
})

test.run()
