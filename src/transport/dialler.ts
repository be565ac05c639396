import type { LookupFunction } from 'node:net'
import WebSocket, { type RawData } from 'ws'
import { EpaxosError } from '../errors.ts'
import { claimOf, refusalOfDialled, wrongDirectory } from './admission.ts'
import { AGAIN_MS, Backoff, type Schedule, STABLE_MS } from './backoff.ts'
import {
  type Challenge,
  helloText,
  MAX_HANDSHAKE_BYTES,
  type Nonces,
  needsProof,
  newNonce,
  type Refused,
  readAnswer,
  refusalIsProved,
  type Welcome,
  welcomeIsProved,
} from './handshake.ts'
import { HANDSHAKE_TIMEOUT_MS, PING_INTERVAL_MS, peerUrl } from './links.ts'
import { LOOK_UP_LATE, type NetLookup } from './resolver.ts'
import {
  type Identity,
  MAX_BACKPRESSURE_BYTES,
  MAX_FRAME_BYTES,
  type TransportHandlers,
  type Verdict,
} from './transport.ts'

/** After this many pings without a sign of life the link is closed. */
export const MAX_SILENT_PINGS = 3

/** A mask of zeros: ws then sends the caller's bytes as they are, without a copy. */
export const DIAL_OPTIONS = {
  perMessageDeflate: false,
  skipUTF8Validation: true,
  followRedirects: false,
  maxPayload: MAX_HANDSHAKE_BYTES,
  generateMask: (mask: Buffer) => {
    mask[0] = mask[1] = mask[2] = mask[3] = 0
  },
  // If a name has several addresses, the next one is tried after this time; the last one has the rest of the
  // handshake's time.
  autoSelectFamily: true,
  autoSelectFamilyAttemptTimeout: 500,
} as const

const FRAME = { binary: true, compress: false } as const

/** Errors of a dial that have their cause on this side: too few descriptors, or a name that is wrong or not found. */
const MENDABLE = new Set(['EMFILE', 'ENFILE', 'ENOTFOUND', 'EAI_AGAIN', LOOK_UP_LATE])

export interface DiallerOptions {
  readonly identity: Identity
  /** The id that this replica says. */
  readonly as: number
  readonly secret: Uint8Array | null
  readonly peer: number
  /** `HOST:PORT`. */
  readonly address: string
  /** Provides the addresses of the peer's host, if that is a name. */
  readonly lookup: NetLookup
  readonly schedule: Schedule
  readonly random: () => number
}

/** An outgoing link, from the dial to its end. */
interface OutgoingLink {
  readonly socket: WebSocket
  readonly nonce: string
  stage: 'dialled' | 'greeted' | 'admitting' | 'up' | 'left'
  /** Given up by this side: what still arrives on it is ignored. */
  ended: boolean
  nonces: Nonces | null
  /** Cancels the timeout of the handshake, later the next ping. */
  cancelTimer: () => void
  cancelStable: () => void
  silentPings: number
  /**
   * The peer is there, and this side waits for something else: the peer is dialled again after {@link AGAIN_MS}, not
   * sooner.
   */
  again: boolean
}

/** Keeps one link to one peer: dials, greets, sends, watches, and dials again. */
export class Dialler {
  readonly #options: DiallerOptions
  readonly #handlers: TransportHandlers
  readonly #backoff: Backoff
  readonly #url: string
  #link: OutgoingLink | null = null
  /** The socket of the link while frames may be sent. */
  #open: WebSocket | null = null
  #cancelRedial: (() => void) | null = null
  /** The code of the last error of {@link MENDABLE} that was reported, since the link was last up. */
  #reported = ''
  /** The current pause must not be cut short. */
  #patient = false
  #onClosed: (() => void) | null = null

  /** Throws an `EpaxosError` with code `configuration` for an address that cannot be dialled. */
  constructor(options: DiallerOptions, handlers: TransportHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#backoff = new Backoff(options.random)
    this.#url = peerUrl(options.address)
  }

  /** Sends one frame; see {@link Transport.send}. */
  send(frame: Uint8Array): boolean {
    const socket = this.#open
    if (socket === null || socket.readyState !== WebSocket.OPEN) return false
    const { byteLength } = frame
    if (byteLength > MAX_FRAME_BYTES) return this.#giveUp(`frame of ${byteLength} bytes to send`)
    if (socket.bufferedAmount + byteLength > MAX_BACKPRESSURE_BYTES) return this.#giveUp('backlog')
    socket.send(frame, FRAME)
    return true
  }

  buffered(): number {
    return this.#open?.bufferedAmount ?? 0
  }

  dial(): void {
    this.#cancelRedial = null
    const socket = new WebSocket(this.#url, { ...DIAL_OPTIONS, lookup: this.#options.lookup as LookupFunction })
    const link: OutgoingLink = {
      socket,
      nonce: newNonce(),
      stage: 'dialled',
      ended: false,
      nonces: null,
      cancelTimer: this.#options.schedule(HANDSHAKE_TIMEOUT_MS, () => socket.terminate()),
      cancelStable: () => {},
      silentPings: 0,
      again: false,
    }
    this.#link = link
    socket.on('message', (data, binary) => this.#onMessage(link, data, binary))
    socket.on('pong', () => {
      link.silentPings = 0
    })
    socket.on('ping', () => {
      // A peer that pings is alive, but may not hear. Its pings count only while the pings of this side wait behind a
      // backlog.
      if (socket.bufferedAmount > 0) link.silentPings = 0
    })
    socket.on('error', (error) => this.#onError(error))
    socket.on('close', () => this.#onClose(link))
  }

  /** The peer is known to be there: shortens the current pause to the shortest one. */
  hurry(): void {
    if (this.#cancelRedial === null || this.#patient) return
    this.#cancelRedial()
    this.#backoff.reset()
    this.#redial(this.#backoff.pause())
  }

  /** Ends the link if it is up. */
  drop(): void {
    if (this.#link?.stage === 'up') this.#end(this.#link)
  }

  /**
   * Ends the link and dials no more. `down` is reported before this returns if the link was up, and nothing afterwards.
   * Resolves when the socket is closed.
   */
  close(): Promise<void> {
    this.#cancelRedial?.()
    this.#cancelRedial = null
    const link = this.#link
    if (link === null) return Promise.resolve()
    const wasUp = link.stage === 'up'
    link.stage = 'left'
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve
    })
    this.#end(link)
    if (wasUp) this.#handlers.down(this.#options.peer)
    return closed
  }

  #onMessage(link: OutgoingLink, data: RawData, binary: boolean): void {
    if (link.ended) return
    const answer = this.#read(link, data, binary)
    if (answer === null) return
    if (answer.type === 'challenge' && link.stage === 'dialled') this.#onChallenge(link, answer)
    else if (answer.type === 'welcome' && link.stage === 'greeted') void this.#onWelcome(link, answer)
    else if (answer.type === 'refusal' && link.stage === 'greeted') this.#onRefusal(link, answer)
    else this.#drop(link, `handshake: a ${answer.type} out of turn`)
  }

  #read(link: OutgoingLink, data: RawData, binary: boolean): ReturnType<typeof readAnswer> | null {
    try {
      if (binary) throw new EpaxosError('malformed', 'frame on a link that this side dialled')
      return readAnswer(data as Buffer)
    } catch (error) {
      this.#drop(link, (error as Error).message)
      return null
    }
  }

  #onChallenge(link: OutgoingLink, challenge: Challenge): void {
    const { identity, as, peer, secret } = this.#options
    link.nonces = { challenge: challenge.nonce, hello: link.nonce }
    link.stage = 'greeted'
    link.socket.send(helloText(claimOf(identity, this.#handlers.standing(), as), peer, link.nonces, secret))
  }

  async #onWelcome(link: OutgoingLink, welcome: Welcome): Promise<void> {
    const { identity, as, peer, secret } = this.#options
    link.stage = 'admitting'
    try {
      const refusal = refusalOfDialled(identity, welcome, peer)
      if (refusal !== null) throw new Error(`another ${refusal}`)
      if (!welcomeIsProved(welcome, as, link.nonces as Nonces, secret)) throw new Error('another secret')
      this.#onVerdict(link, welcome, await this.#handlers.admit(peer, welcome, true, as))
    } catch (error) {
      this.#drop(link, `welcome from the address of replica ${peer}: ${(error as Error).message}`)
    }
  }

  #onVerdict(link: OutgoingLink, welcome: Welcome, verdict: Verdict): void {
    if (verdict === 'again') {
      link.again = true
      this.#end(link)
    } else if (verdict !== 'yes') throw new Error(wrongDirectory(verdict))
    else if (!link.ended && link.socket.readyState === WebSocket.OPEN) this.#onUp(link, welcome)
  }

  #onUp(link: OutgoingLink, welcome: Welcome): void {
    const { cluster, epoch, replicas, id, incarnation, address, clientUrl } = welcome
    link.cancelTimer()
    this.#reported = ''
    link.stage = 'up'
    link.cancelTimer = this.#options.schedule(PING_INTERVAL_MS, () => this.#ping(link))
    link.cancelStable = this.#options.schedule(STABLE_MS, () => this.#backoff.reset())
    this.#open = link.socket
    this.#handlers.up(id, { cluster, epoch, replicas, id, incarnation, address, clientUrl })
  }

  /** Counts pings, not time: a long turn of this process is not the fault of the peer. */
  #ping(link: OutgoingLink): void {
    if (link.silentPings === MAX_SILENT_PINGS) {
      this.#end(link)
      return
    }
    link.silentPings++
    link.socket.ping()
    link.cancelTimer = this.#options.schedule(PING_INTERVAL_MS, () => this.#ping(link))
  }

  #onRefusal(link: OutgoingLink, refusal: Refused): void {
    const { peer, secret } = this.#options
    if (needsProof(refusal) && !refusalIsProved(refusal, link.nonces as Nonces, secret)) {
      this.#drop(link, 'handshake: a refusal without the secret')
      return
    }
    this.#end(link)
    this.#handlers.refused(peer, refusal.reason, refusal.clusterId)
  }

  #giveUp(why: string): false {
    const link = this.#link as OutgoingLink
    this.#drop(link, `link to replica ${this.#options.peer} closed: ${why}`)
    return false
  }

  #drop(link: OutgoingLink, why: string): void {
    if (link.ended) return
    this.#end(link)
    this.#handlers.dropped('handshake', why)
  }

  /** No frame is sent from now on; the rest happens when the socket reports that it is closed. */
  #end(link: OutgoingLink): void {
    link.ended = true
    if (this.#open === link.socket) this.#open = null
    link.socket.terminate()
  }

  /**
   * A peer that is not there is not worth a line; a violation of the WebSocket rules is. So is what an operator can
   * mend, a wrong name or too few descriptors, but not for every dial.
   */
  #onError(error: Error & { code?: string }): void {
    if (this.#onClosed !== null) return
    const { code = '', message } = error
    const unruly = code.startsWith('WS_ERR_') || message.startsWith('Unexpected server response')
    const mendable = MENDABLE.has(code) && code !== this.#reported
    if (mendable) this.#reported = code
    if (unruly || mendable) this.#handlers.dropped('link', `link to replica ${this.#options.peer}: ${message}`)
  }

  #onClose(link: OutgoingLink): void {
    link.cancelTimer()
    link.cancelStable()
    this.#link = null
    this.#open = null
    if (link.stage === 'up') this.#handlers.down(this.#options.peer)
    if (this.#onClosed !== null) return this.#onClosed()
    this.#patient = link.again
    this.#redial(link.again ? AGAIN_MS : this.#backoff.pause())
  }

  #redial(pauseMs: number): void {
    this.#cancelRedial = this.#options.schedule(pauseMs, () => this.dial())
  }
}
