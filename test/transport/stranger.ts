import WebSocket from 'ws'
import { helloText, type Nonces, newNonce } from '../../src/transport/handshake.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { until } from '../support/until.ts'

/** A hand-driven dialler: sends what a test wants, and records what it receives. */
export class Stranger {
  readonly socket: WebSocket
  readonly heard: Record<string, unknown>[] = []
  closed = false
  status = 0

  constructor(port: number, options: WebSocket.ClientOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/peer`, { perMessageDeflate: false, ...options })
    this.socket.on('message', (data) => this.heard.push(JSON.parse(data.toString())))
    this.socket.on('unexpected-response', (_, response) => {
      this.status = response.statusCode ?? 0
      response.destroy()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
  }

  /** Resolves when the challenge has arrived: the nonces of this link. */
  async challenged(): Promise<Nonces> {
    await until(() => this.heard.length > 0, 'a challenge')
    return { challenge: this.heard[0]?.nonce as string, hello: newNonce() }
  }

  async hello(claim: Claim, to: number, secret: Uint8Array | null = null): Promise<void> {
    this.socket.send(helloText(claim, to, await this.challenged(), secret))
  }

  /** Sends hello and is welcomed. */
  async greet(claim: Claim, to: number, secret: Uint8Array | null = null): Promise<this> {
    await this.hello(claim, to, secret)
    await until(() => this.heard.length > 1, 'an answer to the hello')
    if (this.heard[1]?.type !== 'welcome') throw new Error(`heard ${JSON.stringify(this.heard[1])}`)
    return this
  }

  async hungUp(): Promise<void> {
    await until(() => this.closed || this.status !== 0, 'the stranger to be disconnected')
    this.socket.terminate()
  }
}
