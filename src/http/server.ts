import type { Logger } from '../node/logger.ts'
import { SILENT } from '../node/logger.ts'
import type { Replica } from '../node/replica.ts'
import { loadUWebSockets } from '../transport/uws.ts'
import { Access } from './access.ts'
import { ClientLinks } from './client-links.ts'
import { listen } from './listen.ts'
import { Routes } from './routes.ts'

/** Where clients' WebSockets are opened. */
export const CLIENT_PATH = '/client'

export interface ServeOptions {
  /** Where to listen; port 0 lets the system choose. */
  readonly host: string
  readonly port: number
  /** What clients must know: bytes, or a string for its UTF-8. Absent or null for nothing. */
  readonly secret?: Uint8Array | string | null
  /** Origins of pages that may use the port beside its own, e.g. `https://example.org`. */
  readonly allowedOrigins?: readonly string[]
  readonly logger?: Logger
}

export interface ClientServer {
  readonly port: number
  /** Closes the port and every connection. Close the replica before, so that what is in flight is answered. */
  close(): Promise<void>
}

/**
 * Serves a replica to clients: HTTP and the client library's WebSocket on one port. The replica may still be replaying its journal: until it is ready
 * all client work is refused. Rejects with an `EpaxosError` with code `configuration` or `unsupported_platform`.
 */
export async function serveClients(replica: Replica, options: ServeOptions): Promise<ClientServer> {
  const { host, allowedOrigins = [], logger = SILENT } = options
  const secret =
    typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : (options.secret ?? null)
  const clientUrl = replica.clientUrls[replica.id] as string
  const uws = await loadUWebSockets()
  const access = new Access({ host, secret, allowedOrigins, clientUrl })
  const links = new ClientLinks(replica, access, secret, logger)
  const routes = new Routes(replica, access)
  const app = uws.App()
  app.ws(CLIENT_PATH, links.behavior)
  app.any('/*', (response, request) => routes.handle(response, request))
  const port = await listen(uws, app, { host, port: options.port })
  access.listening(port)
  const endFlush = replica.onTurn(() => links.flush())
  const close = async () => {
    endFlush()
    links.close()
    app.close()
  }
  return { port, close }
}
