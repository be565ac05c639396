import { EpaxosError } from '../errors.ts'
import type { Address } from '../transport/links.ts'

/** Reads `HOST:PORT`, `[IPV6]:PORT` included. Throws an `EpaxosError` with code `configuration`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) throw new EpaxosError('configuration', `not an address HOST:PORT: ${text}`)
  return { host: (match[1] ?? match[2]) as string, port }
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
