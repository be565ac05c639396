import { lookup } from 'node:dns/promises'
import { CLUSTER_ID_BYTES, EARLIER_START_BYTES, MAX_EARLIER_STARTS, START_NONCE_BYTES } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { checkIdentity, claimOf, saidId } from './admission.ts'
import { type Schedule, systemSchedule } from './backoff.ts'
import { Dialler } from './dialler.ts'
import { helloText, newNonce, readHello } from './handshake.ts'
import { type Address, peerUrl } from './links.ts'
import { Listener } from './listener.ts'
import { Probe } from './probe.ts'
import { type LookUp, type NetLookup, netLookup, Resolver } from './resolver.ts'
import { type ChosenServer, chooseServer } from './server.ts'
import type { Claim, Identity, Transport, TransportHandlers } from './transport.ts'

export interface WebSocketTransportOptions {
  readonly identity: Identity
  /** Where this replica listens for its peers. */
  readonly listen: Address
  /** Who is dialled at first; see {@link Transport.become}. */
  readonly peers: ReadonlyMap<number, string>
  /** Shared by all replicas; null if links need no proof. */
  readonly secret: Uint8Array | null
  /** The server of the peer port; chosen automatically if absent. */
  readonly server?: ChosenServer
  /** Looks up the hosts of peers; the system's lookup if absent. */
  readonly lookUp?: LookUp
  /** Timers; the system's if absent. */
  readonly schedule?: Schedule
  /** Jitter, in [0, 1); `Math.random` if absent. */
  readonly random?: () => number
}

/** How a peer is dialled. */
interface Route {
  readonly address: string
  /** The id that this replica says. */
  readonly as: number
}

/**
 * Links over WebSockets: one server for the links that the peers dial, one dialled link to each peer. Frames are
 * received only on the former and sent only on the latter.
 */
export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions
  readonly #schedule: Schedule
  readonly #lookup: NetLookup
  #identity: Identity
  /** By the id of the peer. */
  #routes: Map<number, Route>
  /** By the id of the peer; empty before the port is open. */
  #diallers = new Map<number, Dialler>()
  readonly #probes = new Set<Probe>()
  /** Sockets that are closing: nothing is heard of them any more. */
  readonly #leaving = new Set<Promise<void>>()
  #listener: Listener | null = null
  #handlers: TransportHandlers | null = null
  #stage: 'new' | 'running' | 'closed' = 'new'

  /** Throws an `EpaxosError` with code `configuration` for an impossible identity or address. */
  constructor(options: WebSocketTransportOptions) {
    const { identity, peers, lookUp, schedule = systemSchedule } = options
    this.#routes = routesOf(identity, peers)
    this.#identity = identity
    this.#options = options
    this.#schedule = schedule
    this.#lookup = netLookup(lookUp === undefined ? systemResolver : new Resolver(lookUp, schedule))
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.#listener !== null || this.#stage !== 'new') throw new EpaxosError('closed', 'a transport starts once')
    const { listen, secret } = this.#options
    this.#handlers = handlers
    const listener = new Listener(this.#identity, secret, this.#schedule, {
      frame: (from, bytes) => handlers.frame(from, bytes),
      standing: () => handlers.standing(),
      admit: (peer, claim, dialled, as) => handlers.admit(peer, claim, dialled, as),
      dropped: (reason, what) => handlers.dropped(reason, what),
      admitted: (peer) => this.#diallers.get(peer)?.hurry(),
    })
    this.#listener = listener
    await listener.listen(this.#options.server ?? (await chooseServer(null)), listen)
    if (this.#isClosed) return listener.close()
    this.#stage = 'running'
    for (const [peer, route] of this.#routes) this.#dial(peer, route)
  }

  send(peer: number, frame: Uint8Array): boolean {
    return this.#diallers.get(peer)?.send(frame) ?? false
  }

  buffered(peer: number): number {
    return this.#diallers.get(peer)?.buffered() ?? 0
  }

  drop(peer: number): void {
    this.#listener?.drop(peer)
    this.#diallers.get(peer)?.drop()
  }

  become(identity: Identity, peers: ReadonlyMap<number, string>): void {
    const routes = routesOf(identity, peers)
    if (this.#isClosed) return
    this.#identity = identity
    this.#routes = routes
    this.#listener?.become(identity)
    this.#endProbes(new EpaxosError('unreachable', 'this replica took another identity while it asked'))
    this.#hangUp()
    // The handlers of `down` may have called this again, or `dial`, or `close`.
    if (this.#routes !== routes || this.#stage !== 'running') return
    for (const [peer, route] of routes) if (!this.#diallers.has(peer)) this.#dial(peer, route)
  }

  dial(peer: number, address: string, as?: number): void {
    const route = { address, as: saidId(this.#identity, peer, as) }
    peerUrl(address)
    const before = this.#routes.get(peer)
    if (this.#isClosed || (before?.address === address && before.as === route.as)) return
    this.#routes.set(peer, route)
    if (this.#stage !== 'running') return
    const dialler = this.#diallers.get(peer)
    this.#diallers.delete(peer)
    if (dialler !== undefined) this.#awaitEnd(dialler.close())
    // See above.
    if (this.#routes.get(peer) === route && !this.#isClosed) this.#dial(peer, route)
  }

  async probe(address: string, id: number): Promise<Claim> {
    const handlers = this.#handlers
    if (handlers === null || this.#stage !== 'running') throw new EpaxosError('closed', 'the transport does not run')
    const identity = this.#identity
    saidId(identity, id)
    const options = { identity, secret: this.#options.secret, lookup: this.#lookup, schedule: this.#schedule }
    const probe = new Probe({ ...options, peer: id, address, standing: () => handlers.standing() })
    this.#probes.add(probe)
    this.#awaitEnd(probe.closed)
    return await probe.claim.finally(() => this.#probes.delete(probe))
  }

  /** Closes the port and every link. `down` is reported for the links that were up; after that, nothing. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#stage = 'closed'
      this.#listener?.close()
      this.#endProbes(new EpaxosError('closed', 'the replica is being closed'))
      this.#hangUp()
    }
    await Promise.all(this.#leaving)
  }

  /** A method, because handlers and other callers change the stage meanwhile. */
  get #isClosed(): boolean {
    return this.#stage === 'closed'
  }

  #dial(peer: number, { address, as }: Route): void {
    const { secret, random = Math.random } = this.#options
    const parts = { identity: this.#identity, secret, lookup: this.#lookup, schedule: this.#schedule, random }
    const dialler = new Dialler({ ...parts, peer, address, as }, this.#handlers as TransportHandlers)
    this.#diallers.set(peer, dialler)
    dialler.dial()
  }

  /** Ends all dialled links: not those that the handlers of `down` dial meanwhile. */
  #hangUp(): void {
    const diallers = this.#diallers
    this.#diallers = new Map()
    for (const dialler of diallers.values()) this.#awaitEnd(dialler.close())
  }

  #endProbes(why: EpaxosError): void {
    for (const probe of this.#probes) probe.end(why)
  }

  #awaitEnd(end: Promise<void>): void {
    this.#leaving.add(end)
    void end.then(() => this.#leaving.delete(end))
  }
}

/**
 * How each peer is dialled. Throws an `EpaxosError` with code `configuration` for an impossible identity or address.
 */
function routesOf(identity: Identity, peers: ReadonlyMap<number, string>): Map<number, Route> {
  checkIdentity(identity, peers)
  assertSayable(identity)
  const routes = new Map<number, Route>()
  for (const [peer, address] of peers) {
    if (peer === identity.id) continue
    peerUrl(address)
    routes.set(peer, { address, as: identity.id })
  }
  return routes
}

/** For all transports of this process, because they share its threads. */
const systemResolver = new Resolver((host) => lookup(host, { all: true }), systemSchedule)

/** Checks that the peers can read what this replica says about itself. */
function assertSayable(identity: Identity): void {
  const standing = {
    ...{ start: { number: 1, nonce: new Uint8Array(START_NONCE_BYTES) }, journal: 1 },
    earlier: new Uint8Array(MAX_EARLIER_STARTS * EARLIER_START_BYTES),
    ...{ clusterId: '0'.repeat(2 * CLUSTER_ID_BYTES), founded: false },
  }
  const text = helloText(claimOf(identity, standing, 0), 0, { challenge: '', hello: newNonce() }, new Uint8Array(1))
  try {
    readHello(new TextEncoder().encode(text))
  } catch (cause) {
    throw new EpaxosError('configuration', `identity that peers cannot read: ${(cause as Error).message}`, { cause })
  }
}
