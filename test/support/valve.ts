import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP proxy on loopback that can be shut. Bytes then go nowhere and neither side notices, as when a cable is cut or a
 * process is stopped. It can be slow, and it can break the connections through it.
 */
export class Valve {
  /** The delay of bytes in either direction. */
  delayMs = 0
  /** In either direction; 0 for no limit. */
  bytesPerSecond = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #shut = false

  static async open(target: number): Promise<Valve> {
    const valve = new Valve(target)
    await new Promise<void>((resolve) => valve.#server.listen(0, '127.0.0.1', resolve))
    return valve
  }

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1')
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  shut(): void {
    this.#shut = true
    for (const socket of this.#sockets) socket.pause()
  }

  reopen(): void {
    this.#shut = false
    for (const socket of this.#sockets) socket.resume()
  }

  /** Breaks every connection, and both sides notice; new connections are let through. */
  sever(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.sever()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.setNoDelay()
    const late: Buffer[] = []
    from.on('data', (bytes) => {
      if (this.bytesPerSecond > 0) {
        from.pause()
        setTimeout(() => this.#shut || from.resume(), (1000 * bytes.length) / this.bytesPerSecond)
      }
      if (this.delayMs === 0 && late.length === 0) return to.write(bytes)
      late.push(bytes)
      // Whichever timer fires first sends the oldest bytes, so that a change of the delay never reorders them.
      setTimeout(() => to.write(late.shift() as Buffer), this.delayMs)
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      if (!this.#shut) to.destroy()
    })
    if (this.#shut) from.pause()
  }
}
