import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/client/index.ts'
import { RequestNumbers } from '../../src/client/request-numbers.ts'
import { ReplicaUrls, socketUrl } from '../../src/client/urls.ts'
import { EpaxosError } from '../../src/errors.ts'
import { freshSeed, Random } from '../support/random.ts'

const numbers = suite('Request numbers')

numbers('everything up to the first number that is not settled is acknowledged', () => {
  const given = new RequestNumbers(1)
  assert.is(given.acknowledged, 0)
  const a = given.take(2)
  const b = given.take(1)
  assert.equal([a.first, b.first, given.window], [1, 3, 3])
  given.settle(b)
  assert.is(given.acknowledged, 0)
  given.settle(a)
  assert.is(given.acknowledged, 0)
  given.settle(a)
  assert.is(given.acknowledged, 3)
  assert.is(given.window, 0)
  assert.is(new RequestNumbers(1000).acknowledged, 999)
})

numbers('they agree with a plain model over random orders', () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const given = new RequestNumbers(1)
  const open = new Map<number, ReturnType<RequestNumbers['take']>>()
  let next = 1
  for (let i = 0; i < 20_000; i++) {
    if (random.chance(0.4)) {
      const count = 1 + random.below(4)
      const span = given.take(count)
      for (let n = 0; n < count; n++) open.set(next++, span)
    } else if (open.size > 0) {
      const number = random.pick([...open.keys()].slice(0, 50))
      given.settle(open.get(number)!)
      open.delete(number)
    }
    if (i % 10 > 0) continue
    // A span counts as settled when all of it is settled: never more is acknowledged than is settled.
    const oldest = open.size === 0 ? next : open.get([...open.keys()][0]!)!.first
    assert.is(given.acknowledged, oldest - 1, `seed ${seed}, step ${i}`)
  }
})

numbers.run()

const urls = suite('Replica URLs')

urls('http and ws name the same WebSocket', () => {
  assert.is(socketUrl('http://127.0.0.1:7001'), 'ws://127.0.0.1:7001/client')
  assert.is(socketUrl('ws://127.0.0.1:7001/'), 'ws://127.0.0.1:7001/client')
  assert.is(socketUrl('https://db.example/epaxos/'), 'wss://db.example/epaxos/client')
  assert.is(socketUrl('wss://db.example/client'), 'wss://db.example/client')
  for (const wrong of ['', '127.0.0.1:7001', 'ftp://a', 'http://', 'ws:///'])
    assert.throws(() => socketUrl(wrong), /URL/)
})

urls('the given ones are tried in turn, then the learned ones, and last the one that failed', () => {
  const known = new ReplicaUrls(['ws://a', 'ws://b', 'ws://c', 'ws://a/'])
  known.learn(['http://b', 'http://d', '', 'nonsense', 'ftp://e'], 'ws://a/client', 0)
  const names = (order: string[]) => order.map((url) => new URL(url).hostname).join('')
  assert.is(names(known.after(null)), 'abcd')
  assert.is(names(known.after('ws://b/client')), 'cadb')
  assert.is(names(known.after('ws://d/client')), 'abcd')
})

urls('who came by TLS learns no URL without it, and nobody learns an address for every host', () => {
  const known = new ReplicaUrls(['wss://a'])
  known.learn(['http://b', 'ws://c', 'https://d', 'wss://0.0.0.0:7001', 'https://[::]:7001'], 'wss://a/client', 0)
  assert.equal(known.after(null), ['wss://a/client', 'wss://d/client'])
  known.learn(['http://b'], 'ws://a/client', 0)
  assert.ok(known.knows('ws://b/client'))
})

urls('a learned URL that leads to another cluster is dropped, and not learned again', () => {
  const known = new ReplicaUrls(['ws://a', 'ws://b'])
  known.learn(['ws://c'], 'ws://a/client', 0)
  known.tried('ws://c/client', 'foreign')
  known.learn(['ws://c'], 'ws://a/client', 0)
  assert.not.ok(known.knows('ws://c/client'))
  known.tried('ws://a/client', 'foreign')
  assert.not.ok(known.allForeign)
  known.tried('ws://b/client', 'foreign')
  assert.ok(known.allForeign)
  known.tried('ws://a/client', 'worked')
  assert.not.ok(known.allForeign)
  assert.equal(known.after(null), ['ws://a/client', 'ws://b/client'])
})

const hostsOf = (order: readonly string[]) => order.map((url) => new URL(url).hostname).join('')

urls('a report of all members of a later epoch replaces what was learned; one of an earlier epoch is ignored', () => {
  const known = new ReplicaUrls(['ws://a'])
  known.learn(['ws://a', 'ws://b', 'ws://c'], 'ws://a/client', 0)
  known.learn(['ws://a', 'ws://c', 'ws://d'], 'ws://a/client', 2)
  assert.is(hostsOf(known.after(null)), 'acd')
  known.learn(['ws://a', 'ws://b', 'ws://c'], 'ws://b/client', 1)
  assert.is(hostsOf(known.after(null)), 'acd')
  assert.is(hostsOf(known.after('ws://b/client')), 'acd', 'a URL that was dropped is not tried again')
})

urls('where a report lacks URLs, older ones come last, and go when they fail', () => {
  const known = new ReplicaUrls(['ws://a'])
  known.learn(['ws://a', 'ws://b', 'ws://c'], 'ws://a/client', 0)
  known.tried('ws://b/client', 'failed')
  known.learn(['', 'ws://c', 'ws://d'], 'ws://a/client', 1)
  assert.is(hostsOf(known.after(null)), 'acdb')
  known.tried('ws://b/client', 'worked')
  assert.is(hostsOf(known.after(null)), 'acdb')
  known.tried('ws://c/client', 'failed')
  known.tried('ws://b/client', 'failed')
  assert.is(hostsOf(known.after(null)), 'acd')
})

urls('an order that is under way loses what was dropped, and gets what was learned', () => {
  const known = new ReplicaUrls(['ws://a'])
  known.learn(['ws://b', 'ws://c'], 'ws://a/client', 0)
  const order = known.after('ws://b/client')
  known.learn(['ws://d', 'ws://b'], 'ws://a/client', 1)
  assert.is(hostsOf(order), 'acb')
  assert.is(hostsOf(known.refreshed(order)), 'abd')
})

urls('URLs of an earlier epoch make room', () => {
  const known = new ReplicaUrls(['ws://a'])
  const many = (name: string) => Array.from({ length: 40 }, (_, i) => `http://${name}${i}`)
  known.learn(many('old'), 'ws://a/client', 0)
  known.learn([...many('new'), ''], 'ws://a/client', 1)
  assert.equal(
    [known.after(null).length, known.knows('ws://old3/client'), known.knows('ws://new3/client')],
    [32, false, true],
  )
})

urls('what replicas tell is bounded, and none given is an error', () => {
  const known = new ReplicaUrls(['ws://a'])
  known.learn(
    Array.from({ length: 1000 }, (_, i) => `http://h${i}`),
    'ws://a/client',
    0,
  )
  assert.is(known.after(null).length, 32)
  assert.throws(() => new ReplicaUrls([]), /no URL/)
})

urls.run()

const times = suite('Times of a client')

const wrongTimes: readonly (readonly [string, readonly unknown[]])[] = [
  ['openTimeoutMs', [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '500', null]],
  ['silenceMs', [0, -1, Number.NaN, '500', null]],
]

for (const [name, values] of wrongTimes) {
  times(`${name} is a time that can be waited for`, async () => {
    for (const value of values) {
      const opened = connect('ws://127.0.0.1:1', { [name]: value })
      const { code, message } = await opened.then(
        () => new EpaxosError('closed', 'it has opened'),
        (error: EpaxosError) => error,
      )
      assert.is(code, 'configuration', `${value}: ${message}`)
      assert.match(message, name)
    }
  })
}

times.run()
