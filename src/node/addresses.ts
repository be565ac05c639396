import { isIPv6 } from 'node:net'
import { MAX_URL_BYTES } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import type { Address } from '../transport/links.ts'

/** Reads `HOST:PORT`, including `[IPV6]:PORT`. Throws an `EpaxosError` with code `configuration`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const isBroken = match?.[1] !== undefined && !isIPv6(match[1])
  if (match === null || isBroken || port > 65535)
    throw new EpaxosError('configuration', `not an address HOST:PORT: ${text}`)
  return { host: (match[1] ?? match[2]) as string, port }
}

/** Whether `host` stands for every address of a machine: one can listen there, but nobody can connect to it. */
export function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || /^\[?::\]?$/.test(host)
}

/** What is wrong with a URL that clients should learn; null for nothing. */
export function whyNotAdvertised(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol)) return 'is no URL such as http://db-0.example:7001'
  if (isAnyHost(url.hostname)) return 'names no host that a client could reach'
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return 'has more than a scheme, a host, a port and a path'
  }
  return Buffer.byteLength(text) > MAX_URL_BYTES ? `is longer than ${MAX_URL_BYTES} bytes` : null
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
