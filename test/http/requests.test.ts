import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HEADERS_TIMEOUT_MS, MAX_HEADER_BYTES } from '../../src/http/server.ts'
import { Replicas } from '../support/replicas.ts'
import { until } from '../support/until.ts'
import { volume } from '../support/volumes.ts'
import { ask } from './ask.ts'
import { REQUESTS, type RequestCase } from './requests.ts'

const test = suite('Requests, whole and cut at every byte')
let replicas: Replicas
/** Opened first, looked at last: they say nothing, or never end. */
let slow: Conversation[]

test.before(async () => {
  replicas = await Replicas.open({ count: 1 })
  slow = ['', 'GET /livez HT', 'GET /livez HTTP/1.1\r\nHost: loc'].map((text) => {
    const conversation = new Conversation()
    conversation.write(Buffer.from(text))
    return conversation
  })
})
test.after(() => replicas.close())

/** A connection on which raw bytes are written, and answers are heard. */
class Conversation {
  readonly #socket = connect(replicas.port(0), '127.0.0.1').setNoDelay(true)
  text = ''
  closed = false

  constructor() {
    this.#socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.closed = true
    })
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#socket.write(bytes)
  }

  /** Nothing follows. */
  end(): void {
    this.#socket.end()
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  }

  leave(): void {
    this.#socket.destroy()
  }
}

/** Long enough for the server, in this process, to read what was written. */
async function turns(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve))
}

/** Sends the request in two packets, the first of so many bytes; 0 for one packet. */
async function send({ title, bytes, statuses, closes }: RequestCase, cut: number): Promise<void> {
  const conversation = new Conversation()
  try {
    conversation.write(bytes.subarray(0, cut))
    await turns()
    conversation.write(bytes.subarray(cut))
    const answered = () => conversation.statuses.length >= statuses.length && (conversation.closed || !closes)
    await until(() => answered() || conversation.closed, `${title}, cut at ${cut}: an answer`, 5000)
    await turns()
    assert.equal(conversation.statuses, statuses, `${title}, cut at ${cut}: ${conversation.text}`)
    assert.is(conversation.closed, closes, `${title}, cut at ${cut}`)
  } finally {
    conversation.leave()
  }
}

const AT_ONCE = 256

for (const one of REQUESTS) {
  test(`${one.title}: ${one.statuses.join(', ')}`, async () => {
    const cuts = Array.from({ length: one.bytes.length }, (_, cut) => cut)
    for (let i = 0; i < cuts.length; i += AT_ONCE) {
      await Promise.all(cuts.slice(i, i + AT_ONCE).map((cut) => send(one, cut)))
    }
    assert.is((await ask(replicas.url(0), 'GET', '/kv/smuggled')).status, 404, 'nothing was smuggled in')
    volume('HTTP requests cut in two', cuts.length)
  })
}

test('more lines than any client sends, and longer ones: 431', async () => {
  const line = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n'
  for (const lines of ['X: y\r\n'.repeat(200), `X: ${'y'.repeat(MAX_HEADER_BYTES)}\r\n`, 'X: y\r\n'.repeat(10_000)]) {
    const conversation = new Conversation()
    conversation.write(Buffer.from(`${line}${lines}\r\n`))
    await until(() => conversation.closed, 'the end of the connection')
    assert.equal(conversation.statuses, [431])
    assert.match(conversation.text, /"code":"too_large"/)
  }
})

test('an answer comes also to who has said that nothing follows', async () => {
  const conversation = new Conversation()
  const put = 'PUT /kv/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx'
  conversation.write(Buffer.from(put + put))
  conversation.end()
  await until(() => conversation.closed, 'the end of the connection')
  assert.equal(conversation.statuses, [204, 204])
})

test('thousands of requests that do not wait are done in order, each answered in its turn', async () => {
  const count = 3000
  const one = 'POST /kv/many/increment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1'
  const conversation = new Conversation()
  conversation.write(Buffer.from(one.repeat(count)))
  await until(() => conversation.statuses.length === count, 'all answers', 30_000)
  const numbers = [...conversation.text.matchAll(/\r\n\r\n(\d+)/g)].map(([, number]) => Number(number))
  assert.equal(
    numbers,
    numbers.map((_, i) => i + 1),
  )
  conversation.leave()
})

test('what came whole before garbage is answered first', async () => {
  const put = 'PUT /kv/first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx'
  const conversation = new Conversation()
  conversation.write(Buffer.from(`${put}${put}garbage\r\n\r\n${put}`))
  await until(() => conversation.closed, 'the end of the connection')
  assert.equal(conversation.statuses, [204, 204, 400])
})

test('a large body that is refused does not destroy its answer', async () => {
  const answered = await ask(replicas.url(0), 'PUT', '/kv/large', Buffer.alloc(4 << 20))
  assert.is(answered.status, 413)
})

test('a client that sends nothing, or never ends a request, gets an answer in time', async () => {
  await until(() => slow.every(({ closed }) => closed), 'the end of the connections', HEADERS_TIMEOUT_MS + 5000)
  for (const { statuses, text } of slow) assert.equal(statuses, [408], text)
})

test.run()
