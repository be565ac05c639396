import { isIPv6 } from 'node:net'
import { EpaxosError } from '../errors.ts'

/** What both sides of a WebSocket link share. */

/** The only path of the peer port. */
export const PEER_PATH = '/peer'

/** A link is closed if the other side does not send its part of the handshake in this time. */
export const HANDSHAKE_TIMEOUT_MS = 3000

/** How often each side of an open link pings the other. */
export const PING_INTERVAL_MS = 1000

/** Where a replica listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Reads `HOST:PORT`, including `[IPV6]:PORT`. Throws an `EpaxosError` with code `configuration`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]\\]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const isBroken = match?.[1] !== undefined && !isIPv6(match[1])
  if (match === null || isBroken || port > 65535)
    throw new EpaxosError('configuration', `not an address HOST:PORT: ${text}`)
  return { host: (match[1] ?? match[2]) as string, port }
}

/** For people: `host:port`. */
export function printed({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * The URL of the peer port at an address, `HOST:PORT`. Throws an `EpaxosError` with code `configuration` if there is
 * none.
 */
export function peerUrl(address: string): string {
  const parsed = parseAddress(address)
  const url = `ws://${printed(parsed)}${PEER_PATH}`
  if (parsed.port > 0 && URL.canParse(url)) return url
  throw new EpaxosError('configuration', `not an address to dial: ${address}`)
}
