import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { claimOf, refusalOfDialled, refusalOfDialler, type Versioned, wrongDirectory } from './admission.ts'
import { AGAIN_MS, Backoff, STABLE_MS } from './backoff.ts'
import { type LinkEnds, MemoryLink, SILENCE_MS } from './memory-link.ts'
import type { Answer, MemoryNetwork, NetworkEnd } from './memory-network.ts'
import {
  type Identity,
  MAX_FRAME_BYTES,
  type Refusal,
  type Transport,
  type TransportHandlers,
  type Verdict,
} from './transport.ts'

export interface MemoryTransportOptions {
  readonly identity: Identity
  readonly secret?: Uint8Array | null
  /** Where it listens; the peers dial the address that equals the id. */
  readonly address?: number
}

/** The dialling side's view of one peer. */
interface Outgoing {
  readonly backoff: Backoff
  /** Null between two dials. */
  link: MemoryLink | null
  up: boolean
  /** The next or current pause must last {@link AGAIN_MS}. */
  again: boolean
  /** The current pause. */
  pause: object | null
}

/** A replica's end of a {@link MemoryNetwork}. */
export class MemoryTransport implements Transport, LinkEnds, NetworkEnd {
  readonly #network: MemoryNetwork
  readonly #identity: Identity
  readonly #secret: Uint8Array | null
  readonly #address: number
  readonly #accepted = new Map<number, MemoryLink>()
  /** By the id of the peer. */
  readonly #outgoing = new Map<number, Outgoing>()
  #handlers: TransportHandlers | null = null
  #closed = false

  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    this.#network = network
    this.#identity = options.identity
    this.#secret = options.secret ?? null
    this.#address = options.address ?? options.identity.id
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.#handlers !== null || this.#closed) throw new EpaxosError('closed', 'a transport starts once')
    if (!this.#network.join(this.#address, this)) {
      throw new EpaxosError('configuration', `cannot listen on address ${this.#address}: in use`)
    }
    this.#handlers = handlers
    for (const { id } of this.#identity.members.members) {
      if (id === this.#identity.id) continue
      const backoff = new Backoff(this.#network.options.random)
      this.#outgoing.set(id, { backoff, link: null, up: false, again: false, pause: null })
      this.#dial(id)
    }
  }

  send(peer: number, frame: Uint8Array): boolean {
    const outgoing = this.#outgoing.get(peer)
    if (outgoing === undefined || !outgoing.up || this.#closed) return false
    const link = outgoing.link as MemoryLink
    if (link.broken) return false
    if (frame.byteLength > MAX_FRAME_BYTES) return this.#giveUp(link, `frame of ${frame.byteLength} bytes to send`)
    const mostBytes = this.#network.options.mostBufferedBytes()
    if (link.bufferedBytes + frame.byteLength > mostBytes) return this.#giveUp(link, 'backlog')
    link.send(frame)
    return true
  }

  buffered(peer: number): number {
    return this.#outgoing.get(peer)?.link?.bufferedBytes ?? 0
  }

  drop(peer: number): void {
    const accepted = this.#accepted.get(peer)
    this.#accepted.delete(peer)
    accepted?.break()
    const outgoing = this.#outgoing.get(peer)
    if (outgoing?.up === true) outgoing.link?.break()
  }

  /** Frames in flight still arrive, like what the operating system was given. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#handlers === null) return
    this.#network.leave(this.#address, this)
    for (const [peer, outgoing] of this.#outgoing.entries()) if (outgoing.up) this.#handlers.down(peer)
    this.#accepted.clear()
  }

  loseLinkTo(peer: number): void {
    this.#outgoing.get(peer)?.link?.break()
  }

  releaseLinkTo(peer: number): void {
    this.#outgoing.get(peer)?.link?.release()
  }

  arrived(link: MemoryLink, frame: Uint8Array): void {
    if (this.#closed) return
    const bytes = frame.slice()
    const whole = this.#handlers?.frame(link.from, bytes) ?? true
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    if (!whole) link.break()
  }

  lost(link: MemoryLink): void {
    const outgoing = this.#outgoing.get(link.to) as Outgoing
    if (this.#closed || outgoing.link !== link) return
    const wasUp = outgoing.up
    outgoing.link = null
    outgoing.up = false
    this.#pause(link.to, outgoing.again ? AGAIN_MS : outgoing.backoff.pause())
    if (wasUp) this.#handlers?.down(link.to)
  }

  #dial(peer: number): void {
    const { id } = this.#identity
    const { options } = this.#network
    const outgoing = this.#outgoing.get(peer) as Outgoing
    const isSilent = () => this.#network.cutBetween(id, peer) === 'silent'
    const link = new MemoryLink(id, peer, options, this, isSilent)
    outgoing.pause = null
    outgoing.again = false
    outgoing.link = link
    this.#later(link, () => {
      const cut = this.#network.cutBetween(id, peer)
      const answerer = this.#network.at(peer)
      if (cut === 'silent') options.schedule(SILENCE_MS, () => link.break())
      else if (cut === 'closed' || answerer === undefined) link.break()
      else void this.#greet(link, answerer)
    })
  }

  async #greet(link: MemoryLink, answerer: NetworkEnd): Promise<void> {
    const answer = await answerer.answer(link, this.#claim(), this.#secret)
    this.#later(link, () => void this.#onAnswer(link, answer))
  }

  /** The same checks in the same order as the listener. */
  async answer(link: MemoryLink, claim: Versioned, secret: Uint8Array | null): Promise<Answer> {
    let refusal = refusalOfDialler(this.#identity, claim, link.to)
    if (refusal === null && !sameBytes(secret, this.#secret)) refusal = 'secret'
    if (refusal === null) {
      const verdict = await this.#judge(claim.id, claim, false)
      if (verdict === null || this.#closed || link.broken) return null
      if (verdict !== 'yes' && verdict !== 'again') refusal = verdict
    }
    if (refusal !== null) {
      this.#handlers?.dropped('refused', `link refused: ${refusal}`)
      return { refusal, clusterId: this.#claim().clusterId }
    }
    this.#accepted.get(claim.id)?.break()
    this.#accepted.set(claim.id, link)
    link.accept(this)
    this.#hurry(claim.id)
    return { welcome: this.#claim(), secret: this.#secret }
  }

  /** Null if that could not be found out. */
  async #judge(peer: number, claim: Versioned, dialled: boolean): Promise<Verdict | null> {
    try {
      return (await this.#handlers?.admit(peer, claim, dialled)) ?? null
    } catch (error) {
      if (!this.#closed)
        this.#handlers?.dropped('handshake', `replica ${peer} could not be admitted: ${(error as Error).message}`)
      return null
    }
  }

  async #onAnswer(link: MemoryLink, answer: Answer): Promise<void> {
    const handlers = this.#handlers as TransportHandlers
    if (answer === null) {
      link.break()
    } else if ('refusal' in answer) {
      link.break()
      handlers.refused(link.to, answer.refusal, answer.clusterId)
    } else if (await this.#accepts(link, answer.welcome, answer.secret)) {
      if (link.broken || this.#closed) return
      const { cluster, epoch, replicas, id, incarnation, clientUrl } = answer.welcome
      const outgoing = this.#outgoing.get(link.to) as Outgoing
      outgoing.up = true
      this.#network.options.schedule(STABLE_MS, () => outgoing.link === link && outgoing.backoff.reset())
      handlers.up(link.to, { cluster, epoch, replicas, id, incarnation, clientUrl })
    }
  }

  async #accepts(link: MemoryLink, welcome: Versioned, secret: Uint8Array | null): Promise<boolean> {
    let other: Refusal | null = refusalOfDialled(this.#identity, welcome, link.to)
    if (other === null && !sameBytes(secret, this.#secret)) other = 'secret'
    if (other !== null) return this.#giveUp(link, `another ${other}`)
    const verdict = await this.#judge(link.to, welcome, true)
    if (verdict === 'yes') return true
    if (verdict === 'again') {
      ;(this.#outgoing.get(link.to) as Outgoing).again = true
      link.break()
      return false
    }
    return this.#giveUp(link, verdict === null ? 'not judged' : wrongDirectory(verdict))
  }

  #claim(): Versioned {
    const handlers = this.#handlers as TransportHandlers
    return { version: FORMAT_VERSION, ...claimOf(this.#identity, handlers.standing()) }
  }

  /** The next message of a handshake, unless the link broke meanwhile. */
  #later(link: MemoryLink, action: () => void): void {
    const { schedule, delayMs } = this.#network.options
    schedule(delayMs(link.from, link.to), () => {
      if (!link.broken && !this.#closed) action()
    })
  }

  #pause(peer: number, delayMs: number): void {
    const outgoing = this.#outgoing.get(peer) as Outgoing
    const pause = {}
    outgoing.pause = pause
    this.#network.options.schedule(delayMs, () => {
      if (outgoing.pause === pause && !this.#closed) this.#dial(peer)
    })
  }

  /** The peer is known to be there: a pause that is under way is cut to the shortest. */
  #hurry(peer: number): void {
    const outgoing = this.#outgoing.get(peer) as Outgoing
    if (outgoing.pause === null || outgoing.again) return
    outgoing.backoff.reset()
    this.#pause(peer, outgoing.backoff.pause())
  }

  #giveUp(link: MemoryLink, why: string): false {
    link.break()
    if (!this.#closed) this.#handlers?.dropped('handshake', `link to replica ${link.to} closed: ${why}`)
    return false
  }
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
