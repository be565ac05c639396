import { randomBytes, timingSafeEqual } from 'node:crypto'
import { proofOf } from '../client/proof.ts'
import {
  ClientMessageType,
  decodeFromClient,
  encodeChallenge,
  encodeDone,
  encodeNotDone,
  encodeWelcome,
  type FromClient,
  type Hello,
  type Request,
} from '../codec/client.ts'
import { frames } from '../codec/frame.ts'
import { FORMAT_VERSION, MAX_FRAME_BYTES, NONCE_BYTES } from '../codec/limits.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { Logger } from '../node/logger.ts'
import type { Answer, Requests } from '../node/requests.ts'
import type { LinkEvents, LinkOptions, LinkSocket } from '../transport/link-server.ts'

/** A link is closed if its client does not send its part of the handshake in this time. */
const HANDSHAKE_TIMEOUT_MS = 3000

/** The unanswered bytes that one client may have; beyond it, its requests are refused. */
export const MAX_IN_FLIGHT_BYTES = 16 << 20

/** The cost of a request beside its bytes. */
const REQUEST_OVERHEAD_BYTES = 256

/** Longer frames are split: each that arrives is a sign of life, on however slow a link. */
const FRAME_BYTES = 256 << 10

/** Answers wait here while the system has not accepted this many bytes of the link. */
const SEND_BELOW_BYTES = 1 << 20

/** Answers that a client does not read: beyond this its link is closed. */
export const MAX_UNSENT_BYTES = 64 << 20

/** A silent client is pinged first; its link is closed if nothing comes. */
const SILENT_CLIENT_MS = 32_000

export const CLIENT_LINKS: LinkOptions = {
  maxMessageBytes: MAX_FRAME_BYTES,
  maxUnsentBytes: SEND_BELOW_BYTES + 2 * MAX_FRAME_BYTES,
  silentMs: SILENT_CLIENT_MS,
  pings: true,
}

/** A link knows its socket only while that is open: touching a closed socket throws. */
interface ClientLink {
  readonly nonce: Uint8Array
  socket: LinkSocket | null
  stage: 'challenged' | 'proving' | 'admitted'
  handshakeTimer: NodeJS.Timeout | null
  inFlightBytes: number
  /** Encoded answers of this turn. */
  parts: Uint8Array[]
  /** Frames that were not handed to the system. */
  unsent: Uint8Array[]
  unsentBytes: number
}

/**
 * The WebSockets of the client library: each request is one group of commands, and all answers of a turn are sent as
 * one frame.
 */
export class ClientLinks {
  readonly #replica: Requests
  readonly #secret: Uint8Array | null
  readonly #logger: Logger
  readonly #links = new Set<ClientLink>()
  /** The links with unsent answers. */
  #answered: ClientLink[] = []
  /** The URLs that all admitted clients know. */
  #told: readonly string[]
  #dropped = 0

  constructor(replica: Requests, secret: Uint8Array | null, logger: Logger) {
    this.#replica = replica
    this.#secret = secret
    this.#logger = logger
    this.#told = replica.clientUrls
  }

  /** The number of open links. */
  get links(): number {
    return this.#links.size
  }

  /** How many were closed because the client broke the rules, or did not take its answers. */
  get dropped(): number {
    return this.#dropped
  }

  /** The turn is over: sends its answers, and where the members are if that has changed. */
  flush(): void {
    if (this.#told !== this.#replica.clientUrls) this.#tell()
    const answered = this.#answered
    this.#answered = []
    for (const link of answered) this.#send(link)
  }

  /** Clients follow the members without a new link. If the replica was removed, they leave it. */
  #tell(): void {
    this.#told = this.#replica.clientUrls
    for (const link of this.#links) if (link.stage === 'admitted') this.#answer(link, this.#welcome())
  }

  /** For clients that are admitted: the replica has an id, and its cluster has one. */
  #welcome(): Uint8Array {
    const { id, clientUrls, clusterId } = this.#replica as Requests & { id: number; clusterId: string }
    const { epoch, leaving } = this.#replica.members()
    return encodeWelcome({ version: FORMAT_VERSION, id, clientUrls, clusterId, epoch, leaving })
  }

  /** Says good-bye to all. */
  close(): void {
    for (const link of [...this.#links]) this.#hangUp(link, 1001)
  }

  /** The WebSocket of a client has opened. */
  opened(socket: LinkSocket): LinkEvents {
    const link: ClientLink = {
      nonce: randomBytes(NONCE_BYTES),
      socket,
      stage: 'challenged',
      handshakeTimer: setTimeout(() => this.#drop(link, 'no hello'), HANDSHAKE_TIMEOUT_MS),
      inFlightBytes: 0,
      parts: [],
      unsent: [],
      unsentBytes: 0,
    }
    this.#links.add(link)
    socket.send(encodeChallenge({ nonce: link.nonce, needsSecret: this.#secret !== null }))
    return {
      message: (bytes, binary) => this.#onMessage(link, bytes, binary),
      drained: () => this.#sendOn(link),
      closed: () => this.#forget(link),
    }
  }

  #onMessage(link: ClientLink, bytes: Uint8Array, binary: boolean): void {
    try {
      if (!binary) throw new EpaxosError(ErrorCode.malformed, 'text instead of a frame')
      decodeFromClient(bytes, (message) => this.#onClientMessage(link, message))
    } catch (error) {
      if (!(error instanceof EpaxosError)) throw error
      this.#drop(link, error.message)
    }
    // Sends what was answered at once: refusals and stale reads. Everything else is sent when its turn ends.
    this.flush()
  }

  #onClientMessage(link: ClientLink, message: FromClient): void {
    if (link.socket === null) return
    const { stage } = link
    if (message.type === ClientMessageType.request && stage === 'admitted') this.#onRequest(link, message)
    else if (message.type === ClientMessageType.hello && stage === 'challenged') void this.#onHello(link, message)
    else throw new EpaxosError(ErrorCode.malformed, 'handshake out of turn')
  }

  async #onHello(link: ClientLink, { version, proof, clusterId }: Hello): Promise<void> {
    if (version !== FORMAT_VERSION) {
      return this.#refuse(link, ErrorCode.malformed, `version ${FORMAT_VERSION} is spoken here, not ${version}`)
    }
    if (this.#secret === null) return this.#admit(link, clusterId)
    link.stage = 'proving'
    const expected = await proofOf(this.#secret, link.nonce)
    if (proof.length === expected.length && timingSafeEqual(proof, expected)) this.#admit(link, clusterId)
    else this.#refuse(link, ErrorCode.unauthorized, 'the secret is missing or wrong')
  }

  /** @param expected the cluster that the client belongs to; empty if it belongs to none yet */
  #admit(link: ClientLink, expected: string): void {
    if (link.socket === null) return
    const { id, clusterId, notReady } = this.#replica
    if (id === null) return this.#refuse(link, ErrorCode.notReady, 'the replica belongs to no cluster yet')
    if (clusterId === null) return this.#refuse(link, ErrorCode.notReady, 'the cluster is not founded yet')
    if (expected !== '' && expected !== clusterId) {
      return this.#refuse(link, ErrorCode.foreignCluster, `this is a replica of another cluster: ${clusterId}`)
    }
    if (this.#replica.members().leaving) {
      return this.#refuse(link, ErrorCode.notReady, notReady ?? 'this replica was removed from the cluster')
    }
    this.#endHandshake(link)
    link.stage = 'admitted'
    link.socket.settle()
    link.socket.send(this.#welcome())
  }

  /** A response before the welcome says why there is no welcome. */
  #refuse(link: ClientLink, code: ErrorCode, message: string): void {
    link.socket?.send(encodeNotDone(0, 'refused', code, message))
    this.#note(message)
    this.#hangUp(link, 1008)
  }

  #onRequest(link: ClientLink, request: Request): void {
    const { id, group, consistency, min } = request
    const cost = group.length + REQUEST_OVERHEAD_BYTES
    const unread = consistency === 'log' ? 0 : link.unsentBytes
    if (link.inFlightBytes + cost > MAX_IN_FLIGHT_BYTES || unread > MAX_IN_FLIGHT_BYTES) {
      return this.#answer(link, encodeNotDone(id, 'refused', ErrorCode.busy, 'too much of this client is unanswered'))
    }
    link.inFlightBytes += cost
    const respond = (answer: Answer): void => {
      link.inFlightBytes -= cost
      this.#respond(link, request, answer)
    }
    if (consistency === 'log') this.#replica.submit(group, respond)
    else this.#replica.read(group, consistency, respond, min)
  }

  #respond(link: ClientLink, { id, consistency, tokens }: Request, answer: Answer): void {
    // Answers for a client that is gone are not even encoded.
    if (link.socket === null) return
    if (answer.outcome !== 'done') {
      return this.#answer(link, encodeNotDone(id, answer.outcome, answer.code, answer.message))
    }
    const token = tokens ? this.#replica.token : ''
    const ageMs = consistency === 'stale' ? this.#replica.ageMs : null
    this.#answer(link, encodeDone(id, answer.results, token, ageMs))
  }

  #answer(link: ClientLink, message: Uint8Array): void {
    if (link.parts.length === 0) this.#answered.push(link)
    link.parts.push(message)
    link.unsentBytes += message.length
  }

  #send(link: ClientLink): void {
    const { parts } = link
    link.parts = []
    if (link.socket === null) return
    for (const frame of frames(parts, FRAME_BYTES)) link.unsent.push(frame)
    this.#sendOn(link)
    if (link.unsentBytes > MAX_UNSENT_BYTES) this.#cutOff(link, 'the client does not take its answers')
  }

  /**
   * Gives the system what it accepts. The rest stays here, where it is counted, and is sent when the link has drained.
   */
  #sendOn(link: ClientLink): void {
    const { socket, unsent } = link
    while (socket !== null && link.socket === socket && unsent.length > 0) {
      if (socket.bufferedBytes > SEND_BELOW_BYTES) return
      const frame = unsent.shift() as Uint8Array
      link.unsentBytes -= frame.length
      socket.send(frame)
    }
  }

  #drop(link: ClientLink, why: string): void {
    if (link.socket === null) return
    this.#note(why)
    this.#hangUp(link, 1008)
  }

  /** A good-bye would only wait behind the unread answers. */
  #cutOff(link: ClientLink, why: string): void {
    const { socket } = link
    this.#note(why)
    this.#forget(link)
    socket?.close()
  }

  /** A flood of garbage must not become a flood of log lines. */
  #note(why: string): void {
    this.#dropped++
    if (this.#dropped > 100 && this.#dropped % 1000 !== 0) return
    this.#logger.warn({ why, dropped: this.#dropped }, 'client disconnected')
  }

  #hangUp(link: ClientLink, code: number): void {
    const { socket } = link
    this.#forget(link)
    socket?.end(code)
  }

  /** From here on the link does not touch its socket. */
  #forget(link: ClientLink): void {
    if (link.socket === null) return
    link.socket = null
    this.#links.delete(link)
    if (link.stage !== 'admitted') this.#endHandshake(link)
    link.parts = []
    link.unsent = []
  }

  #endHandshake(link: ClientLink): void {
    if (link.handshakeTimer === null) return
    clearTimeout(link.handshakeTimer)
    link.handshakeTimer = null
  }
}
