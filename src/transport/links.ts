import { EpaxosError } from '../errors.ts'

/** What both sides of a WebSocket link share. */

/** The only path of the peer port. */
export const PEER_PATH = '/peer'

/** A side that does not say its part of the handshake in this time is hung up on. */
export const HANDSHAKE_TIMEOUT_MS = 3000

/** How often each side of a standing link pings the other. */
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

/** Where the peer port of an address is dialled. Throws an `EpaxosError` with code `configuration` where it cannot be. */
export function peerUrl(address: Address): string {
  const url = `ws://${printed(address)}${PEER_PATH}`
  const { port } = address
  if (Number.isInteger(port) && port > 0 && URL.canParse(url)) return url
  throw new EpaxosError('configuration', `not an address to dial: ${printed(address)}`)
}
