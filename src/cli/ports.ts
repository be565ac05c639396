import { createServer } from 'node:net'

const HOST = '127.0.0.1'

/**
 * Below the range that systems use for outgoing connections: no such connection may take the port of a replica that is
 * down for a moment.
 */
const FIRST = 15_000
const LAST = 32_000

/** Loopback ports that nothing listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  let next = FIRST + Math.floor(Math.random() * (LAST - FIRST - 1000))
  for (; ports.length < count; next++) if ((await whyTaken(next)) === null) ports.push(next)
  return ports
}

/** Like {@link freePorts}, but adjacent; returns the first. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - count))
    const taken = await Promise.all(Array.from({ length: count }, (_, i) => whyTaken(first + i)))
    if (taken.every((why) => why === null)) return first
  }
}

/** Why nobody can listen on the loopback port; null if it is free. */
export function whyTaken(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'it is taken' : error.message)
    })
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}
