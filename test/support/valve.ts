import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy on loopback that can be shut: bytes then go nowhere, and neither side is told, as when a cable is cut or a process is stopped. */
export class Valve {
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

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.setNoDelay()
    from.on('data', (bytes) => to.write(bytes))
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      if (!this.#shut) to.destroy()
    })
    if (this.#shut) from.pause()
  }
}
