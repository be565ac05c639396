import WebSocket from 'ws'
import {
  ClientMessageType,
  decodeFromServer,
  encodeHello,
  type FromServer,
  type Response,
} from '../../src/codec/client.ts'
import { FORMAT_VERSION } from '../../src/codec/limits.ts'
import { until } from '../support/until.ts'

/** A hand-driven client: sends what a test wants, and keeps what it receives. */
export class Stranger {
  readonly socket: WebSocket
  /** The messages of each frame. */
  readonly frames: FromServer[][] = []
  closed = false

  static async open(url: string): Promise<Stranger> {
    const stranger = new Stranger(`${url.replace('http', 'ws')}/client`)
    await stranger.hears(1, 'a challenge')
    return stranger
  }

  /** Connected, and admitted if no secret is needed. */
  static async admitted(url: string): Promise<Stranger> {
    const stranger = await Stranger.open(url)
    stranger.socket.send(encodeHello({ version: FORMAT_VERSION, proof: new Uint8Array(0) }))
    await stranger.hears(2, 'a welcome')
    return stranger
  }

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false })
    this.socket.on('message', (data) => this.#onFrame(new Uint8Array(data as Buffer)))
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', () => {})
  }

  get messages(): FromServer[] {
    return this.frames.flat()
  }

  get responses(): Response[] {
    return this.messages.filter((message) => message.type === ClientMessageType.response)
  }

  hears(count: number, what: string): Promise<void> {
    return until(() => this.messages.length >= count || this.closed, what)
  }

  hungUp(): Promise<void> {
    return until(() => this.closed, 'being disconnected')
  }

  leave(): Promise<void> {
    this.socket.terminate()
    return this.hungUp()
  }

  #onFrame(bytes: Uint8Array): void {
    const messages: FromServer[] = []
    decodeFromServer(bytes, (message) => messages.push(message))
    this.frames.push(messages)
  }
}
