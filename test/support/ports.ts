import { createServer } from 'node:net'

/**
 * Below the range that systems use for outgoing connections, so that a dial never takes a port that a test is about to
 * listen on.
 */
const FIRST = 15_000
const LAST = 32_000

let next = FIRST + ((process.pid * 97) % (LAST - FIRST))

/** Loopback ports that nothing listens on; one process gets none twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = next
    next = next < LAST ? next + 1 : FIRST
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
