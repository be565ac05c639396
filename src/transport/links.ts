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

/** For people: `host:port`. */
export function printed({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The URL of the peer port at an address. Throws an `EpaxosError` with code `configuration` if there is none. */
export function peerUrl(address: Address): string {
  const url = `ws://${printed(address)}${PEER_PATH}`
  const { port } = address
  if (Number.isInteger(port) && port > 0 && URL.canParse(url)) return url
  throw new EpaxosError('configuration', `not an address to dial: ${printed(address)}`)
}
