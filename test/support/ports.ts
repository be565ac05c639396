import { createServer } from 'node:net'

/**
 * Below the range that systems use for outgoing connections, so that a dial never takes a port that a test is about to
 * listen on.
 */
const FIRST = 15_000
const LAST = 32_000

/** Ports of a block. Its first one is held by the process that may use the others: tests run beside each other. */
const BLOCK = 100

const BLOCKS = (LAST - FIRST) / BLOCK

let next = 0
let end = 0

/** Loopback ports that nothing listens on; one process gets none twice, and two processes never the same. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    if (next === end) await takeBlock()
    const port = next++
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function takeBlock(): Promise<void> {
  for (;;) {
    const first = FIRST + BLOCK * Math.floor(Math.random() * BLOCKS)
    if (!(await holds(first))) continue
    next = first + 1
    end = first + BLOCK
    return
  }
}

function holds(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(true)).unref()
  })
}

/** Loopback addresses of the peers with the ids 0, 1, …, on these ports. */
export function peersAt(ports: readonly number[], host = '127.0.0.1'): ReadonlyMap<number, string> {
  return new Map(ports.map((port, id) => [id, `${host}:${port}`]))
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
