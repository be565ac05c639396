import { descriptorsForStrangers } from '../system/limits.ts'
import { claimOf, refusalOfDialler } from './admission.ts'
import type { Schedule } from './backoff.ts'
import {
  challengeText,
  type ForeignHello,
  type Hello,
  helloIsProved,
  type Nonces,
  newNonce,
  readHello,
  refusalText,
  welcomeText,
} from './handshake.ts'
import type { LinkEvents, LinkServer, LinkSocket } from './link-server.ts'
import { type Address, HANDSHAKE_TIMEOUT_MS, PEER_PATH, PING_INTERVAL_MS } from './links.ts'
import type { ChosenServer } from './server.ts'
import { type Claim, type Identity, MAX_FRAME_BYTES, type Refusal, type TransportHandlers } from './transport.ts'

/**
 * Links that may be open without being admitted. Each can hold one unfinished frame, so their number bounds that
 * memory.
 */
export const MAX_STRANGERS = 64

/** The accepting side sends only the handshake, pings and pongs; unsent bytes beyond this close the link. */
const MAX_ANSWER_BACKPRESSURE_BYTES = 64 << 10

/** A link without a byte for this long is closed; the dialler pings far more often. */
const SILENT_LINK_MS = 8000

export interface ListenerHandlers extends Pick<TransportHandlers, 'frame' | 'standing' | 'admit' | 'dropped'> {
  /** A peer was admitted, so it is there: dial it now. */
  admitted(peer: number): void
}

/** An incoming link; without its socket once it is closed. */
interface IncomingLink {
  /** Rises with every link: of two links from one peer the newer one stays. */
  readonly serial: number
  readonly challenge: string
  socket: LinkSocket | null
  stage: 'challenged' | 'admitting' | 'admitted'
  /** The admitted dialler, or −1. */
  peer: number
  cancelTimeout: () => void
}

/** Accepts the links that peers dial, and receives frames from admitted peers. */
export class Listener {
  #identity: Identity
  readonly #secret: Uint8Array | null
  readonly #schedule: Schedule
  readonly #handlers: ListenerHandlers
  /** All that are open. */
  readonly #links = new Set<IncomingLink>()
  readonly #admitted = new Map<number, IncomingLink>()
  #server: LinkServer | null = null
  #cancelPings: (() => void) | null = null
  #serial = 0

  constructor(identity: Identity, secret: Uint8Array | null, schedule: Schedule, handlers: ListenerHandlers) {
    this.#identity = identity
    this.#secret = secret
    this.#schedule = schedule
    this.#handlers = handlers
  }

  /** Rejects with code `configuration` if it cannot listen on the address. */
  async listen(chosen: ChosenServer, address: Address): Promise<void> {
    const options = {
      path: PEER_PATH,
      maxMessageBytes: MAX_FRAME_BYTES,
      maxUnsentBytes: MAX_ANSWER_BACKPRESSURE_BYTES,
      silentMs: SILENT_LINK_MS,
      pings: false,
      maxStrangers: descriptorsForStrangers(MAX_STRANGERS),
      requestMs: HANDSHAKE_TIMEOUT_MS,
    }
    const server = chosen.open(options, {
      opened: (socket) => this.#onOpen(socket),
      dropped: (why) => this.#handlers.dropped('connection', why),
    })
    await server.listen(address)
    this.#server = server
  }

  /** Closes every link, admitted or not; from now on diallers meet another identity. Nothing is reported. */
  become(identity: Identity): void {
    this.#identity = identity
    for (const link of [...this.#links]) this.#hangUp(link)
  }

  /** Closes the link of the peer, if it is admitted. */
  drop(peer: number): void {
    const link = this.#admitted.get(peer)
    if (link !== undefined) this.#hangUp(link)
  }

  /** Closes the port and every incoming link. */
  close(): void {
    const server = this.#server
    this.#server = null
    this.#cancelPings?.()
    this.#cancelPings = null
    server?.close()
  }

  /** Diallers whose own pings wait behind a backlog hear these. */
  #pingLater(): void {
    this.#cancelPings = this.#schedule(PING_INTERVAL_MS, () => {
      this.#cancelPings = null
      for (const link of this.#admitted.values()) link.socket?.ping()
      if (this.#admitted.size > 0) this.#pingLater()
    })
  }

  #onOpen(socket: LinkSocket): LinkEvents {
    const link: IncomingLink = {
      serial: ++this.#serial,
      challenge: newNonce(),
      socket,
      stage: 'challenged',
      peer: -1,
      cancelTimeout: this.#schedule(HANDSHAKE_TIMEOUT_MS, () => this.#drop(link, 'link without a hello')),
    }
    this.#links.add(link)
    socket.send(challengeText(link.challenge))
    return {
      message: (bytes, binary) => this.#onMessage(link, bytes, binary),
      closed: (reason) => this.#onClose(link, reason),
    }
  }

  #onMessage(link: IncomingLink, bytes: Uint8Array, binary: boolean): void {
    if (link.socket === null) return
    if (link.stage === 'admitted' && binary) {
      if (!this.#handlers.frame(link.peer, bytes)) this.#hangUp(link)
    } else if (link.stage === 'admitted') this.#drop(link, `text from replica ${link.peer} after its hello`)
    else if (link.stage === 'admitting') this.#drop(link, 'message before the welcome')
    else if (binary) this.#drop(link, 'frame before the hello')
    else this.#onHello(link, bytes)
  }

  #onHello(link: IncomingLink, bytes: Uint8Array): void {
    link.cancelTimeout()
    try {
      const hello = readHello(bytes)
      const { nonces, refusal } = this.#judge(link, hello)
      if (refusal !== null) this.#refuse(link, refusal, nonces)
      else void this.#admit(link, hello as Hello, nonces)
    } catch (error) {
      this.#drop(link, (error as Error).message)
    }
  }

  /**
   * The order of the reasons: version, cluster, replicas, row, secret. The directory is checked last, in {@link
   * #admit}.
   */
  #judge(link: IncomingLink, hello: Hello | ForeignHello): { nonces: Nonces; refusal: Refusal | null } {
    const { challenge } = link
    if (hello.type === 'foreign') return { nonces: { challenge, hello: '' }, refusal: 'version' }
    const unproved = helloIsProved(hello, challenge, this.#secret) ? null : 'secret'
    const refusal = refusalOfDialler(this.#identity, hello, hello.to) ?? unproved
    return { nonces: { challenge, hello: hello.nonce }, refusal }
  }

  async #admit(link: IncomingLink, hello: Hello, nonces: Nonces): Promise<void> {
    link.stage = 'admitting'
    try {
      const verdict = await this.#handlers.admit(hello.id, hello, false, hello.to)
      if (verdict === 'yes' || verdict === 'again') this.#welcome(link, hello, nonces)
      else this.#refuse(link, verdict, nonces)
    } catch (error) {
      this.#drop(link, `replica ${hello.id} could not be admitted: ${(error as Error).message}`)
    }
  }

  #welcome(link: IncomingLink, { id: peer, to }: Hello, nonces: Nonces): void {
    if (link.socket === null) return
    const other = this.#admitted.get(peer)
    if (other !== undefined && other.serial > link.serial) {
      this.#hangUp(link)
      return
    }
    if (other !== undefined) this.#hangUp(other)
    link.stage = 'admitted'
    link.peer = peer
    link.socket.settle()
    this.#admitted.set(peer, link)
    if (this.#cancelPings === null) this.#pingLater()
    link.socket.send(welcomeText(this.#claim(to), peer, nonces, this.#secret))
    this.#handlers.admitted(peer)
  }

  /** @param as the id under which it is dialled: a joiner has no other */
  #claim(as: number): Claim {
    return claimOf(this.#identity, this.#handlers.standing(), as)
  }

  #refuse(link: IncomingLink, reason: Refusal, nonces: Nonces): void {
    if (link.socket === null) return
    this.#handlers.dropped('refused', `link refused: ${reason}`)
    link.socket.send(refusalText(reason, this.#claim(-1).clusterId, nonces, this.#secret))
    const { socket } = link
    this.#forget(link)
    socket.end(1000)
  }

  #drop(link: IncomingLink, why: string): void {
    if (link.socket === null) return
    this.#handlers.dropped(link.stage === 'admitted' ? 'link' : 'handshake', why)
    this.#hangUp(link)
  }

  #hangUp(link: IncomingLink): void {
    const socket = link.socket
    this.#forget(link)
    socket?.close()
  }

  #onClose(link: IncomingLink, reason: string): void {
    if (link.socket === null) return
    const { stage, peer } = link
    this.#forget(link)
    // The server itself closes a link that violates the WebSocket rules, and says why.
    if (reason !== '' && stage === 'admitted') this.#handlers.dropped('link', `link from replica ${peer}: ${reason}`)
    else if (stage === 'challenged' && this.#server !== null) {
      this.#handlers.dropped('handshake', `link without a hello: ${reason}`)
    }
  }

  /** From here on the socket of the link is not touched, and nothing more is reported about it. */
  #forget(link: IncomingLink): void {
    if (link.socket === null) return
    link.socket = null
    link.cancelTimeout()
    this.#links.delete(link)
    if (this.#admitted.get(link.peer) === link) this.#admitted.delete(link.peer)
  }
}
