import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_RECEIVING_BYTES } from '../../src/http/body.ts'
import { freshSeed, Random } from '../support/random.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { ask, raw } from './ask.ts'

const test = suite('Hostile HTTP')
let replicas: Replicas

test.before(async () => {
  replicas = await Replicas.open({ count: 1 })
})
test.after(() => replicas.close())

const port = () => replicas.port(0)

async function assertServes(): Promise<void> {
  assert.is((await ask(replicas.url(0), 'PUT', '/kv/alive', 'yes')).status, 204)
  assert.is((await ask(replicas.url(0), 'GET', '/kv/alive')).text, 'yes')
  assert.is(replicas.replica(0).notReady, null)
}

test('what is not HTTP is disconnected or answered with an error', async () => {
  const garbage = [
    'garbage\r\n\r\n',
    '\r\n\r\n\r\n',
    'GET\r\n\r\n',
    'GET /kv/a\r\n\r\n',
    'GET /kv/a HTTP/1.0\r\n\r\n',
    'GET /kv/a HTTP/1.1\r\n\r\n',
    'GET /kv/a HTTP/9.9\r\nHost: localhost\r\n\r\n',
    'GET /kv/a HTTP/1.1\r\nHost localhost\r\n\r\n',
    'GET /kv/a HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n',
    'GET http://evil.example/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nno!',
    'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno!\r\n',
    'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nno!',
    `GET /kv/${'a'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /kv/a HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    `GET /kv/a HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(10_000)}\r\n`,
    'GET /client HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'GET /client HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ]
  await assertServes()
  for (const bytes of garbage) {
    const answer = await raw(port(), bytes, true)
    assert.not.match(answer, /^HTTP\/1\.1 2/, JSON.stringify(bytes.slice(0, 60)))
    await assertServes()
  }
})

test('paths with bytes that no URL has are 400', async () => {
  for (const path of ['/kv/\xff', '/kv/a\x7f', '/kv/\u00e9']) {
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'latin1')
    assert.match(await raw(port(), request), /^HTTP\/1\.1 400/)
  }
})

test('a body that grows beyond the limit is cut off while it streams', async () => {
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  const head = 'PUT /kv/alive HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
  const answer = await raw(port(), head + chunk.repeat(40))
  assert.match(answer, /^HTTP\/1\.1 413/)
  await assertServes()
})

test('a chunked body is taken whole', async () => {
  const head = 'PUT /kv/chunked HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
  assert.match(await raw(port(), `${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`), /^HTTP\/1\.1 204/)
  assert.is((await ask(replicas.url(0), 'GET', '/kv/chunked')).text, 'abcde')
})

test('a request that does not wait for the answer before it is answered after that', async () => {
  const one = 'POST /kv/pipelined/increment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1'
  const answers = await raw(port(), one.repeat(5))
  assert.equal(answers.match(/\r\n\r\n\d/g), ['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3', '\r\n\r\n4', '\r\n\r\n5'])
  await assertServes()
})

test('clients that go before their answer, or in the middle of their body, leave nothing behind', async () => {
  for (let i = 0; i < 50; i++) {
    const half = i % 2 === 0
    await new Promise<void>((resolve) => {
      const socket = connect(port(), '127.0.0.1', () => {
        const length = half ? 1 << 20 : 1
        socket.write(`PUT /kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\nx`, () => {
          if (i % 3 === 0) socket.resetAndDestroy()
          else socket.destroy()
          resolve()
        })
      })
    })
  }
  await assertServes()
})

test('unfinished bodies are bounded together: 429 beyond', async () => {
  const most = MAX_RECEIVING_BYTES >>> 20
  const sockets = Array.from({ length: most + 2 }, () => connect(port(), '127.0.0.1'))
  let refused = 0
  for (const socket of sockets) {
    socket.on('data', (bytes) => {
      if (bytes.toString().startsWith('HTTP/1.1 429')) refused++
    })
    socket.on('error', () => {})
    socket.write('PUT /kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n')
    socket.write(Buffer.alloc((1 << 20) - 1))
  }
  await until(() => refused > 0, 'a refusal')
  for (const socket of sockets) socket.destroy()
  await until(() => sockets.every(({ closed }) => closed), 'all gone')
  await assertServes()
})

test('mutated requests never stop the replica', async () => {
  const seed = freshSeed()
  const random = new Random(seed)
  const requests = [
    'PUT /kv/%41b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc',
    'GET /kv/a?consistency=stale HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n',
    'POST /kv/a/increment HTTP/1.1\r\nHost: localhost\r\nEpaxos-Session: s\r\nEpaxos-Request: 1\r\n' +
      'Content-Length: 1\r\n\r\n5',
    'POST /transaction HTTP/1.1\r\nHost: localhost\r\nContent-Length: 24\r\n\r\n{"then":[{"get":"abcd"}]}',
  ]
  const rounds = 400
  const mutate = () => {
    const bytes = Buffer.from(random.pick(requests), 'latin1')
    for (let n = 1 + random.below(4); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256)
    return random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes
  }
  for (let i = 0; i < rounds; i += 50) {
    await Promise.all(Array.from({ length: 50 }, () => sendOff(mutate())))
  }
  try {
    await assertServes()
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
  volume('mutated HTTP requests', rounds)
})

/** Sends bytes and closes after the first answer, or as soon as the other side does. */
function sendOff(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port(), '127.0.0.1', () => socket.end(bytes))
    socket.on('data', () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })
}

test.run()
