import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION, MAX_URL_BYTES } from '../../src/codec/limits.ts'
import { EpaxosError } from '../../src/errors.ts'
import { MAX_ADDRESS_BYTES } from '../../src/protocol/membership-bytes.ts'
import {
  challengeText,
  type Hello,
  helloIsProved,
  helloText,
  MAX_HANDSHAKE_BYTES,
  newNonce,
  type Refused,
  readAnswer,
  readHello,
  refusalIsProved,
  refusalText,
  type Welcome,
  welcomeIsProved,
  welcomeText,
} from '../../src/transport/handshake.ts'
import type { Claim, Identity } from '../../src/transport/transport.ts'
import { loadUWebSockets } from '../../src/transport/uws.ts'
import { WebSocketTransport } from '../../src/transport/websocket.ts'
import { volume } from '../support/volumes.ts'
import { claimOf, identityOf } from './observer.ts'

const test = suite('handshake')

const bytes = (text: string) => new TextEncoder().encode(text)
const secret = bytes('a secret that is long enough')
const nonces = { challenge: newNonce(), hello: newNonce() }
const CLUSTER_ID = '0123456789abcdef'.repeat(2)
const own = claimOf(1, 3, { cluster: 'Zürich', epoch: 4, clusterId: CLUSTER_ID, founded: true })

function isMalformed(read: () => unknown): boolean {
  try {
    read()
    return false
  } catch (error) {
    if (error instanceof EpaxosError && error.code === 'malformed') return true
    throw error
  }
}

test('what is written is read, and proved by the secret alone', () => {
  const hello = readHello(bytes(helloText(own, 2, nonces, secret))) as Hello
  const { type: _, version, to, nonce, proof, ...identity } = hello
  assert.equal([identity, version, to, nonce, proof?.length], [own, FORMAT_VERSION, 2, nonces.hello, 64])
  assert.ok(helloIsProved(hello, nonces.challenge, secret))
  const welcome = readAnswer(bytes(welcomeText(own, 2, nonces, secret))) as Welcome
  assert.ok(welcomeIsProved(welcome, 2, nonces, secret))
  const refusal = readAnswer(bytes(refusalText('amnesiac', CLUSTER_ID, nonces, secret))) as Refused
  assert.ok(refusalIsProved(refusal, nonces, secret))
  assert.equal(readAnswer(bytes(challengeText(nonces.challenge))), { type: 'challenge', nonce: nonces.challenge })
  for (const other of [null, bytes('another')]) {
    assert.not(helloIsProved(hello, nonces.challenge, other))
    assert.not(welcomeIsProved(welcome, 2, nonces, other))
    assert.not(refusalIsProved(refusal, nonces, other))
  }
})

test('a proof holds for one link, one receiver, one kind of message and one content', () => {
  const hello = readHello(bytes(helloText(own, 2, nonces, secret))) as Hello
  assert.not(helloIsProved(hello, newNonce(), secret))
  const changes: Partial<Hello>[] = [
    { to: 0 },
    { id: 0 },
    { cluster: 'other' },
    { epoch: 5 },
    { replicas: 5 },
    { address: 'elsewhere:1' },
    { clientUrl: 'http://elsewhere' },
    { origin: 'ab'.repeat(32) },
    { incarnation: new Uint8Array(16) },
    { start: { ...own.start, number: 2 } },
    { start: { ...own.start, nonce: new Uint8Array(16) } },
    { earlier: new Uint8Array(4) },
    { journal: 2 },
    { clusterId: null },
    { founded: false },
    { nonce: newNonce() },
    { proof: null },
  ]
  for (const change of changes) assert.not(helloIsProved({ ...hello, ...change }, nonces.challenge, secret))
  const mirrored = { ...hello, type: 'welcome' } as unknown as Welcome
  assert.not(welcomeIsProved(mirrored, 2, nonces, secret))
  const refusal = readAnswer(bytes(refusalText('row', CLUSTER_ID, nonces, secret))) as Refused
  assert.not(refusalIsProved({ ...refusal, reason: 'amnesiac' }, nonces, secret))
  assert.not(refusalIsProved({ ...refusal, clusterId: null }, nonces, secret))
})

test('a client URL has at most as many bytes as a welcome to clients has room for', () => {
  const said = (clientUrl: string) => bytes(helloText(claimOf(1, 3, { clientUrl }), 2, nonces, secret))
  readHello(said('x'.repeat(MAX_URL_BYTES)))
  assert.ok(isMalformed(() => readHello(said('x'.repeat(MAX_URL_BYTES + 1)))))
  assert.ok(isMalformed(() => readHello(said('ü'.repeat(MAX_URL_BYTES / 2 + 1)))))
  const welcome = welcomeText(claimOf(1, 3, { clientUrl: 'x'.repeat(MAX_URL_BYTES + 1) }), 2, nonces, secret)
  assert.ok(isMalformed(() => readAnswer(bytes(welcome))))
})

test('an address is one that can be dialled, or empty, and not too long', () => {
  const said = (address: string) => bytes(helloText(claimOf(1, 3, { address }), 2, nonces, secret))
  const longest = `${'x'.repeat(MAX_ADDRESS_BYTES - 5)}:7100`
  for (const address of ['', 'db-0.example:7100', '[::1]:7100', longest]) {
    assert.is((readHello(said(address)) as Hello).address, address)
  }
  for (const address of [
    'db-0',
    ':7100',
    'db-0:0',
    'db-0:70000',
    'a b:1',
    'u@h:1',
    'h?q:1',
    'h#f:1',
    '[h]:1',
    `x${longest}`,
  ]) {
    assert.ok(
      isMalformed(() => readHello(said(address))),
      address,
    )
    const welcome = bytes(welcomeText(claimOf(1, 3, { address }), 2, nonces, secret))
    assert.ok(isMalformed(() => readAnswer(welcome)))
  }
})

test('who belongs to no cluster says nothing of one', () => {
  const joiner = { epoch: 0, replicas: 0, clusterId: null, founded: false }
  const said = (changes: Partial<Claim>) =>
    bytes(helloText(claimOf(1, 3, { ...joiner, ...changes }), 2, nonces, secret))
  assert.is((readHello(said({})) as Hello).replicas, 0)
  for (const changes of [{ epoch: 1 }, { clusterId: CLUSTER_ID }, { founded: true }]) {
    assert.ok(isMalformed(() => readHello(said(changes))))
  }
})

test('a hello of another version is told from a damaged one, whatever else it holds', () => {
  assert.equal(readHello(bytes('{"type":"hello","version":99,"new":[]}')), { type: 'foreign', version: 99 })
  assert.ok(isMalformed(() => readHello(bytes('{"type":"hello","version":"99"}'))))
  assert.ok(isMalformed(() => readHello(bytes(`{"type":"hello","version":${FORMAT_VERSION}}`))))
})

test('fields that lack, that are too many or of another type are malformed', () => {
  const text = helloText(own, 2, nonces, secret)
  const fields = JSON.parse(text) as Record<string, unknown>
  for (const name of Object.keys(fields)) {
    const { [name]: _, ...rest } = fields
    assert.ok(
      isMalformed(() => readHello(bytes(JSON.stringify(rest)))),
      `without ${name}`,
    )
    for (const value of [[], {}, true, -1, 1.5, 2 ** 53, 'Z'.repeat(64), 'ab']) {
      if (typeof fields[name] === 'string' && typeof value === 'string') continue
      if (name === 'version' && typeof value === 'number') continue
      if (typeof fields[name] === 'boolean' && typeof value === 'boolean') continue
      const changed = JSON.stringify({ ...fields, [name]: value })
      assert.ok(
        isMalformed(() => readHello(bytes(changed))),
        `${name}: ${value}`,
      )
    }
  }
  for (const name of ['nonce', 'incarnation', 'startNonce', 'clusterId', 'proof']) {
    for (const value of ['', 'ab', 'Z'.repeat(64), `${'0'.repeat(64)}0`]) {
      assert.ok(isMalformed(() => readHello(bytes(JSON.stringify({ ...fields, [name]: value })))))
    }
  }
  const many = JSON.stringify({ ...fields, more: 1 })
  const long = JSON.stringify({ ...fields, clientUrl: 'x'.repeat(MAX_HANDSHAKE_BYTES) })
  for (const wrong of ['', '{', 'null', '[]', '7', '"hello"', '{}', many, long, '{"type":"hello","__proto__":1}']) {
    assert.ok(
      isMalformed(() => readHello(bytes(wrong))),
      wrong,
    )
    assert.ok(
      isMalformed(() => readAnswer(bytes(wrong))),
      wrong,
    )
  }
  assert.ok(isMalformed(() => readAnswer(bytes('{"type":"refusal","reason":"mood","proof":null}'))))
  const noUtf8 = bytes(text)
  noUtf8[text.indexOf('127.0.0.1')] = 0xff
  assert.ok(isMalformed(() => readHello(noUtf8)))
})

test('mutated texts are malformed or unproved, and never throw anything else', () => {
  const seed = 20_251
  let state = seed
  const random = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const texts = [helloText(own, 2, nonces, secret), welcomeText(own, 2, nonces, secret)].map(bytes)
  texts.push(bytes(refusalText('amnesiac', CLUSTER_ID, nonces, secret)))
  const count = 20_000
  for (let i = 0; i < count; i++) {
    const original = texts[i % texts.length] as Uint8Array
    const mutated = original.slice(0, random(8) === 0 ? random(original.length) : original.length)
    for (let n = 1 + random(3); n > 0 && mutated.length > 0; n--) mutated[random(mutated.length)] = random(256)
    if (Buffer.compare(mutated, original) === 0) continue
    const where = `seed ${seed}, round ${i}`
    isMalformed(() => {
      const hello = readHello(mutated)
      if (hello.type === 'hello') assert.not(helloIsProved(hello, nonces.challenge, secret), where)
    })
    isMalformed(() => {
      const answer = readAnswer(mutated)
      if (answer.type === 'welcome') assert.not(welcomeIsProved(answer, 2, nonces, secret), where)
      if (answer.type === 'refusal') assert.not(refusalIsProved(answer, nonces, secret), where)
    })
  }
  volume('mutated handshakes', count)
})

test('an identity, peers or an address that cannot be is a wrong configuration', () => {
  const listen = { host: '127.0.0.1', port: 1 }
  const make =
    (identity: Identity, address = '127.0.0.1:1') =>
    () => {
      const transport = new WebSocketTransport({
        identity,
        listen,
        peers: new Map([[1, address]]),
        secret: null,
      })
      return transport
    }
  const wrong = [
    make(identityOf(3, 3)),
    make(identityOf(-1, 3)),
    make({ ...identityOf(0, 3), members: null }),
    make({ ...identityOf(0, 3), members: null, id: -1 }),
    make(identityOf(0, 3, { incarnation: new Uint8Array(15) })),
    make(identityOf(0, 3, { cluster: 'x'.repeat(MAX_HANDSHAKE_BYTES) })),
    make(identityOf(0, 3, { clientUrl: `http://${'x'.repeat(MAX_URL_BYTES)}` })),
    make(identityOf(0, 3, { address: 'no host:1' })),
    make(identityOf(0, 3, { address: `${'x'.repeat(MAX_ADDRESS_BYTES - 1)}:1` })),
    ...['no host:1', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', 'a@b:1', 'a?b:1', '[a]:1', ''].map((address) =>
      make(identityOf(0, 3), address),
    ),
  ]
  for (const construct of wrong) {
    assert.throws(construct, (error: unknown) => error instanceof EpaxosError && error.code === 'configuration')
  }
  make(identityOf(0, 3), '[::1]:1')()
})

test('a platform without the server is named as such', async () => {
  try {
    await loadUWebSockets(() => Promise.reject(new Error('no such binary')))
    assert.unreachable()
  } catch (error) {
    assert.is((error as EpaxosError).code, 'unsupported_platform')
    assert.match((error as EpaxosError).message, process.version.slice(1))
  }
})

test.run()
