import { EpaxosError } from '../errors.ts'
import type { LinkServer, LinkServerHandlers, LinkServerOptions } from './link-server.ts'
import { loadUWebSockets, type UWebSockets } from './uws.ts'

/** The server of the peer port: uWebSockets.js, or `node:http` with `ws`, which runs wherever Node runs. */
export type ServerKind = 'uws' | 'node'

/** A server that this process can run, and why it was chosen. */
export interface ChosenServer {
  readonly kind: ServerKind
  /** Why the first choice does not run here; empty if it runs, or was not requested. */
  readonly reason: string
  open(options: LinkServerOptions, handlers: LinkServerHandlers): LinkServer
}

/**
 * Chooses the server: the requested one, or by default uWebSockets.js if its binary loads. Each is loaded late, so that
 * the other need not load. Rejects with an `EpaxosError` with code `unsupported_platform` if uWebSockets.js is
 * requested and does not load.
 */
export async function chooseServer(wanted: ServerKind | null, load = loadUWebSockets): Promise<ChosenServer> {
  if (wanted === 'node') return nodeServer('')
  try {
    return await uwsServer(await load())
  } catch (error) {
    if (wanted === 'uws' || !(error instanceof EpaxosError)) throw error
    return nodeServer(error.message)
  }
}

async function uwsServer(uws: typeof UWebSockets): Promise<ChosenServer> {
  const { UwsServer } = await import('./uws-server.ts')
  return { kind: 'uws', reason: '', open: (options, handlers) => new UwsServer(uws, options, handlers) }
}

async function nodeServer(reason: string): Promise<ChosenServer> {
  const { NodeServer } = await import('./node-server.ts')
  return { kind: 'node', reason, open: (options, handlers) => new NodeServer(options, handlers) }
}
