import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type WebSocket, WebSocketServer } from 'ws'
import { Congestion } from '../../src/client/congestion.ts'
import { type CommandError, connect } from '../../src/client/index.ts'
import {
  ClientMessageType,
  decodeFromClient,
  encodeChallenge,
  encodeDone,
  encodeNotDone,
  encodeWelcome,
} from '../../src/codec/client.ts'
import { FORMAT_VERSION, NONCE_BYTES } from '../../src/codec/limits.ts'
import { readU32 } from '../../src/execution/bytes.ts'
import { ResultWriter, Status } from '../../src/execution/results.ts'

const test = suite('a busy replica')

const PUT_DONE = Uint8Array.of(0)

/** Says hello as a replica does, and does what it is given, or says that it is busy. */
class BusyServer {
  busy = true
  requests = 0
  links = 0
  readonly #server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })

  async open(): Promise<string> {
    this.#server.on('connection', (socket) => this.#greet(socket))
    if (this.#server.address() === null) await once(this.#server, 'listening')
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.#server.clients) socket.terminate()
    this.#server.close()
  }

  #greet(socket: WebSocket): void {
    this.links++
    socket.send(encodeChallenge({ nonce: new Uint8Array(NONCE_BYTES), needsSecret: false }))
    socket.on('message', (bytes: Buffer) => {
      decodeFromClient(bytes.slice(), (message) => {
        if (message.type === ClientMessageType.hello) {
          const welcome = { version: FORMAT_VERSION, id: 0, epoch: 0, leaving: false }
          socket.send(encodeWelcome({ ...welcome, clusterId: 'busy', clientUrls: [] }))
        } else if (message.type === ClientMessageType.request) {
          this.requests++
          socket.send(this.#answer(message.id, readU32(message.group, 8)))
        }
      })
    })
  }

  #answer(id: number, commands: number): Uint8Array {
    if (this.busy) return encodeNotDone(id, 'refused', 'busy', 'too many commands are waiting')
    const results = new ResultWriter()
    results.beginGroup()
    for (let i = 0; i < commands; i++) results.add(Status.applied, PUT_DONE)
    results.endGroup()
    return encodeDone(id, results.take())
  }
}

test('is asked less and less, on few links, and what it never took is refused at its deadline', async () => {
  const server = new BusyServer()
  const client = await connect([await server.open()], { requestTimeoutMs: 1000, session: false })
  try {
    const calls: Promise<CommandError>[] = []
    const startedAt = performance.now()
    for (let i = 0; i < 50; i++) {
      calls.push(
        client.put(`k${i}`, 'v').then(
          () => assert.unreachable(),
          (error) => error,
        ),
      )
      await pause(10)
    }
    const refused = (await Promise.all(calls)).filter(({ outcome, code }) => outcome === 'refused' && code === 'busy')
    // What is under way at its deadline is unknown: on a slow machine that may be a probe.
    assert.ok(refused.length >= 45, `${refused.length} of 50 are refused`)
    // A slow machine takes longer than 1.5 s for them.
    const most = 30 * Math.max(1, (performance.now() - startedAt) / 1500)
    assert.ok(server.requests <= most, `${server.requests} requests for 50 calls`)
    assert.ok(server.links <= 6, `${server.links} links`)
  } finally {
    await client.close()
    server.close()
  }
})

test('gets what waits when it has time again', async () => {
  const server = new BusyServer()
  const client = await connect([await server.open()], { requestTimeoutMs: 5000, session: false })
  try {
    const calls: Promise<void>[] = []
    for (let i = 0; i < 20; i++) {
      calls.push(client.put(`k${i}`, 'v'))
      await pause(5)
    }
    server.busy = false
    await Promise.all(calls)
  } finally {
    await client.close()
    server.close()
  }
})

test('what was sent before a refusal counts no more; pauses grow until something is done', () => {
  const congestion = new Congestion(8 << 20, () => 1)
  assert.is(congestion.limitBytes, 8 << 20)
  let nowMs = 1000
  const pauses: number[] = []
  const elsewhere: boolean[] = []
  for (let i = 0; i < 7; i++) {
    const sentMs = nowMs
    congestion.sent(sentMs)
    if (i > 0) assert.is(congestion.pauseMs(nowMs), 25, 'the first one after a pause goes alone')
    nowMs += 10
    elsewhere.push(congestion.refused(1 << 20, sentMs, nowMs))
    assert.not.ok(congestion.refused(1 << 20, sentMs, nowMs))
    pauses.push(congestion.pauseMs(nowMs))
    nowMs += pauses.at(-1) as number
  }
  assert.equal(pauses, [25, 50, 100, 200, 400, 800, 800])
  assert.equal(elsewhere, [false, false, true, false, false, true, false])
  assert.is(congestion.limitBytes, 64 << 10)
  congestion.done(1 << 20)
  assert.is(congestion.limitBytes, (1 << 20) + (64 << 10))
  congestion.refused(1 << 20, nowMs, nowMs)
  assert.is(congestion.pauseMs(nowMs), 25)
})

test.run()
