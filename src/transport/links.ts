/** What both sides of a WebSocket link share. */

/** The only path of the peer port. */
export const PEER_PATH = '/peer'

/** A side that does not say its part of the handshake in this time is hung up on. */
export const HANDSHAKE_TIMEOUT_MS = 3000

/** Where a replica listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** For people: `host:port`. */
export function printed({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
