import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_RECEIVING_BYTES } from '../../src/http/body.ts'
import { LiveCluster, until } from './cluster.ts'

const test = suite('live cluster, HTTP')

interface Said {
  readonly status: number
  readonly body: string
}

async function ask(url: string, method: string, body?: string | Uint8Array, headers = {}): Promise<Said> {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: body as BodyInit }) })
  return { status: response.status, body: await response.text() }
}

/** `[method, path, body, status, body of the answer]`, in order, each sent to the next replica. */
const ROWS: readonly (readonly [string, string, string | undefined, number, string | RegExp])[] = [
  ['GET', '/livez', undefined, 200, /./],
  ['GET', '/readyz', undefined, 200, /./],
  ['PUT', '/kv/a', 'one', 204, ''],
  ['GET', '/kv/a', undefined, 200, 'one'],
  ['GET', '/kv/a?consistency=linearizable', undefined, 200, 'one'],
  ['GET', '/kv/missing', undefined, 404, /not_found/],
  ['DELETE', '/kv/a', undefined, 204, ''],
  ['DELETE', '/kv/a', undefined, 404, /not_found/],
  ['PUT', '/kv/%00%ff%2F', 'bytes', 204, ''],
  ['GET', '/kv/%00%ff%2F', undefined, 200, 'bytes'],
  ['POST', '/kv/n/increment', undefined, 200, '1'],
  ['POST', '/kv/n/increment', '41', 200, '42'],
  ['GET', '/kv/n', undefined, 200, '42'],
  ['PUT', '/kv/text', 'no number', 204, ''],
  ['POST', '/kv/text/increment', undefined, 409, /not_counter/],
  ['POST', '/kv/n/increment', `${2 ** 53 - 1}`, 409, /not_counter/],
  ['POST', '/kv/n/increment', 'x', 400, /bad_command|malformed/],
  [
    'POST',
    '/transaction',
    '{"if":[{"key":"n","equals":"42"}],"then":[{"put":"b","value":"B"},{"get":"n"}]}',
    200,
    /"succeeded":true/,
  ],
  [
    'POST',
    '/transaction',
    '{"if":[{"key":"b","absent":true}],"then":[],"else":[{"get":"b"}]}',
    200,
    /"succeeded":false.*"B"/,
  ],
  [
    'POST',
    '/transaction',
    '{"if":[{"key":"b","present":true}],"then":[{"delete":"b"},{"increment":"n","by":-2}]}',
    200,
    /40/,
  ],
  [
    'POST',
    '/transaction',
    '{"if":[{"key":"n","equals64":"NDA="}],"then":[{"put":"c","value64":"//4="}]}',
    200,
    /"succeeded":true/,
  ],
  ['POST', '/transaction', '{"then":', 400, /"code"/],
  ['GET', '/kv/', undefined, 400, /"code"/],
  ['GET', '/kv/a?consistency=sometimes', undefined, 400, /"code"/],
  ['PUT', `/kv/${'k'.repeat(513)}`, 'x', 413, /too_large/],
  ['PUT', '/kv/large', 'x'.repeat((1 << 20) + 1), 413, /too_large/],
  ['PATCH', '/kv/a', 'x', 405, /method_not_allowed/],
  ['GET', '/nowhere', undefined, 404, /not_found/],
  ['GET', '/status', undefined, 200, /"oldestUncommittedMs".*"durability":"fsync","engine":"wasm".*"stateHash"/],
]

test('every row of the surface, at real processes', () =>
  LiveCluster.use({}, async (cluster) => {
    for (const [i, [method, path, body, status, answer]] of ROWS.entries()) {
      const said = await ask(cluster.url(i % 3) + path, method, body)
      assert.is(said.status, status, `${method} ${path}: ${said.status} ${said.body}`)
      if (typeof answer === 'string') assert.is(said.body, answer)
      else assert.match(said.body, answer)
    }
    const session = { 'Epaxos-Session': 's', 'Epaxos-Request': '1' }
    for (const id of cluster.ids) {
      assert.is((await ask(`${cluster.url(id)}/kv/once/increment`, 'POST', undefined, session)).body, '1')
    }
    assert.is((await ask(`${cluster.url(0)}/kv/once`, 'GET')).body, '1')
    const foreign = await ask(`${cluster.url(0)}/kv/a`, 'PUT', 'x', { Origin: 'http://elsewhere.example' })
    assert.is(foreign.status, 403)
  }))

test('what a quorum does not answer is 504, then everything is refused with 503', () =>
  LiveCluster.use({}, async (cluster) => {
    assert.is((await ask(`${cluster.url(0)}/kv/a`, 'PUT', 'before')).status, 204)
    for (const id of [1, 2]) cluster.signal(id, 'SIGSTOP')
    const unknown = await ask(`${cluster.url(0)}/kv/a`, 'PUT', 'maybe')
    assert.is(unknown.status, 504)
    assert.is(JSON.parse(unknown.body).error.code, 'timeout')
    const refused = await ask(`${cluster.url(0)}/kv/a`, 'GET')
    assert.is(refused.status, 503)
    assert.is(JSON.parse(refused.body).error.code, 'not_ready')
    assert.is((await ask(`${cluster.url(0)}/readyz`, 'GET')).status, 503)
    assert.is((await ask(`${cluster.url(0)}/livez`, 'GET')).status, 200)
    for (const id of [1, 2]) cluster.signal(id, 'SIGCONT')
    await cluster.allReady()
    assert.match((await ask(`${cluster.url(1)}/kv/a`, 'GET')).body, /^(before|maybe)$/)
  }))

test('more than a replica can take in at once is 429', () =>
  LiveCluster.use({}, async (cluster) => {
    const { port, hostname } = new URL(cluster.url(0))
    let refused = 0
    const sockets = Array.from({ length: (MAX_RECEIVING_BYTES >>> 20) + 2 }, () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.on('data', (bytes) => {
        if (bytes.toString().startsWith('HTTP/1.1 429')) refused++
      })
      socket.write('PUT /kv/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n')
      socket.write(Buffer.alloc((1 << 20) - 1))
      return socket
    })
    await until('a refusal', 10_000, async () => refused > 0)
    for (const socket of sockets) socket.destroy()
    await until(
      'it takes what is asked again',
      10_000,
      async () => (await ask(`${cluster.url(0)}/kv/a`, 'PUT', 'x')).status === 204,
    )
  }))

test.run()
