import { lookup } from 'node:dns/promises'
import { CLUSTER_ID_BYTES, EARLIER_START_BYTES, MAX_EARLIER_STARTS, START_NONCE_BYTES } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { rowOf } from '../protocol/membership.ts'
import { claimOf } from './admission.ts'
import { type Schedule, systemSchedule } from './backoff.ts'
import { Dialler } from './dialler.ts'
import { helloText, newNonce, readHello } from './handshake.ts'
import { type Address, peerUrl } from './links.ts'
import { Listener } from './listener.ts'
import { type LookUp, netLookup, Resolver } from './resolver.ts'
import { type ChosenServer, chooseServer } from './server.ts'
import type { Identity, Transport, TransportHandlers } from './transport.ts'

export interface WebSocketTransportOptions {
  readonly identity: Identity
  /** Where this replica listens for its peers. */
  readonly listen: Address
  /** The address of each member, by row; this replica's own address is not dialled. */
  readonly peers: readonly Address[]
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

/**
 * Links over WebSockets: one server for the links that the peers dial, one dialled link to each peer. Frames are
 * received only on the former and sent only on the latter.
 */
export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions
  #listener: Listener | null = null
  /** By the id of the peer. */
  #diallers: ReadonlyMap<number, Dialler> = new Map()
  #closing: Promise<void> | null = null

  /** Throws an `EpaxosError` with code `configuration` for an impossible identity or address. */
  constructor(options: WebSocketTransportOptions) {
    const { identity, peers } = options
    const { id, members } = identity
    const { replicas } = members.quorums
    if (peers.length !== replicas) {
      throw new EpaxosError('configuration', `${peers.length} peers for a cluster of ${replicas}`)
    }
    if (rowOf(members, id) < 0) throw new EpaxosError('configuration', `id ${id} in a cluster of ${replicas}`)
    for (const address of peers) peerUrl(address)
    assertSayable(identity)
    this.#options = options
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.#listener !== null || this.#closing !== null) throw new EpaxosError('closed', 'a transport starts once')
    const { identity, listen, peers, secret, schedule = systemSchedule, random = Math.random, lookUp } = this.#options
    const resolver = lookUp === undefined ? systemResolver : new Resolver(lookUp, schedule)
    const dialling = { identity, secret, lookup: netLookup(resolver), schedule, random }
    const diallers = new Map<number, Dialler>()
    for (const [row, { id: peer }] of identity.members.members.entries()) {
      if (peer === identity.id) continue
      diallers.set(peer, new Dialler({ ...dialling, peer, address: peers[row] as Address }, handlers))
    }
    this.#listener = new Listener(identity, secret, schedule, {
      frame: (from, bytes) => handlers.frame(from, bytes),
      standing: () => handlers.standing(),
      admit: (peer, claim, dialled) => handlers.admit(peer, claim, dialled),
      dropped: (reason, what) => handlers.dropped(reason, what),
      admitted: (peer) => this.#diallers.get(peer)?.hurry(),
    })
    await this.#listener.listen(this.#options.server ?? (await chooseServer(null)), listen)
    if (this.#closing === null) {
      this.#diallers = diallers
      for (const dialler of diallers.values()) dialler.dial()
    } else {
      this.#listener.close()
    }
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

  /** Closes the port and every link. `down` is reported for the links that were up; after that, nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#listener?.close()
    await Promise.all([...this.#diallers.values()].map((dialler) => dialler.close()))
  }
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
  const text = helloText(claimOf(identity, standing), 0, { challenge: '', hello: newNonce() }, new Uint8Array(1))
  try {
    readHello(new TextEncoder().encode(text))
  } catch (cause) {
    throw new EpaxosError('configuration', `identity that peers cannot read: ${(cause as Error).message}`, { cause })
  }
}
