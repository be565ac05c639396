import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { Replicas } from '../support/replicas.ts'
import { ask, codeOf } from './ask.ts'

const test = suite('Access to the client port')
const SECRET = 'open sesame'
let open: Replicas
let guarded: Replicas

test.before(async () => {
  open = await Replicas.open({ count: 1, allowedOrigins: ['https://example.org'] })
  guarded = await Replicas.open({ count: 1, secret: SECRET })
})
test.after(async () => {
  await open.close()
  await guarded.close()
})

/** The status of a WebSocket upgrade, 101 if it opened. */
function upgrade(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers })
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.on('unexpected-response', (request, response) => {
      request.destroy()
      resolve(response.statusCode ?? 0)
    })
    socket.on('error', reject)
  })
}

test('a page of another origin is 403, whatever host it names', async () => {
  const port = open.port(0)
  const foreign = [
    { Origin: 'http://evil.example' },
    { Origin: 'null' },
    { Origin: `http://127.0.0.1:${port + 1}` },
    { Origin: `https://127.0.0.1:${port}` },
    { Origin: 'https://example.org:8443' },
    { Origin: `http://evil.example:${port}`, Host: `evil.example:${port}` },
  ]
  for (const headers of foreign) {
    const answered = await ask(open.url(0), 'GET', '/kv/a', '', headers)
    assert.is(answered.status, 403, headers.Origin)
    assert.is(codeOf(answered), 'forbidden')
    assert.is((await ask(open.url(0), 'PUT', '/kv/a', 'x', headers)).status, 403)
    assert.is(await upgrade(`${open.url(0)}/client`, headers), 403, headers.Origin)
  }
})

test('its own pages and the allowed ones may', async () => {
  const port = open.port(0)
  for (const origin of [open.url(0), `http://localhost:${port}`, 'https://example.org', 'HTTPS://EXAMPLE.ORG']) {
    assert.is((await ask(open.url(0), 'GET', '/kv/a', '', { Origin: origin })).status, 404, origin)
    assert.is(await upgrade(`${open.url(0)}/client`, { Origin: origin }), 101, origin)
  }
})

test('a page whose name was rebound to this address reads nothing, though it sends no origin', async () => {
  const port = open.port(0)
  for (const host of [`evil.example:${port}`, 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example']) {
    assert.is((await ask(open.url(0), 'GET', '/kv/a', '', { Host: host })).status, 403, host)
    assert.is(await upgrade(`${open.url(0)}/client`, { Host: host }), 403, host)
  }
  for (const host of [`localhost:${port}`, `[::1]:${port}`, '192.168.1.7', 'example.org']) {
    assert.is((await ask(open.url(0), 'GET', '/kv/a', '', { Host: host })).status, 404, host)
  }
})

test('with a secret everything but the probes asks for it', async () => {
  const url = guarded.url(0)
  const requests = [
    ['GET', '/kv/a'],
    ['PUT', '/kv/a'],
    ['DELETE', '/kv/a'],
    ['POST', '/kv/a/increment'],
    ['POST', '/transaction'],
    ['GET', '/status'],
  ] as const
  const wrong = ['', SECRET, `Basic ${SECRET}`, 'Bearer', 'Bearer ', `Bearer ${SECRET}x`, `Bearer ${SECRET.slice(1)}`]
  for (const [method, path] of requests) {
    for (const authorization of wrong) {
      const headers: Record<string, string> = authorization === '' ? {} : { Authorization: authorization }
      const answered = await ask(url, method, path, '', headers)
      assert.is(answered.status, 401, `${method} ${path} ${authorization}`)
      assert.is(codeOf(answered), 'unauthorized')
      assert.not.ok(answered.text.includes(SECRET))
    }
  }
  for (const path of ['/livez', '/readyz']) assert.is((await ask(url, 'GET', path)).status, 200)
  const right = { Authorization: `Bearer ${SECRET}` }
  assert.is((await ask(url, 'PUT', '/kv/a', 'x', right)).status, 204)
  assert.is((await ask(url, 'GET', '/kv/a', '', { authorization: `bearer ${SECRET}` })).text, 'x')
  assert.is((await ask(url, 'GET', '/status', '', right)).status, 200)
})

test('with a secret the host may have any name: a page does not know the secret', async () => {
  const headers = { Host: 'replica-0.internal:80', Authorization: `Bearer ${SECRET}` }
  assert.is((await ask(guarded.url(0), 'GET', '/kv/none', '', headers)).status, 404)
})

test('a secret may have any characters, sent as their bytes', async () => {
  const secret = 'öffne dich: 開けゴマ'
  const replicas = await Replicas.open({ count: 1, secret })
  try {
    const bytes = Buffer.from(secret).toString('latin1')
    const right = { Authorization: `Bearer ${bytes}` }
    assert.is((await ask(replicas.url(0), 'GET', '/status', '', right)).status, 200)
    const wrong = { Authorization: `Bearer ${bytes.slice(0, -1)}` }
    assert.is((await ask(replicas.url(0), 'GET', '/status', '', wrong)).status, 401)
  } finally {
    await replicas.close()
  }
})

test.run()
