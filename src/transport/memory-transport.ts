import { FORMAT_VERSION } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { addressesOf } from '../protocol/membership.ts'
import {
  checkIdentity,
  claimOf,
  misfit,
  refusalOfDialled,
  refusalOfDialler,
  saidId,
  type Versioned,
  wrongDirectory,
} from './admission.ts'
import { AGAIN_MS, Backoff, STABLE_MS } from './backoff.ts'
import { type LinkEnds, MemoryLink, SILENCE_MS } from './memory-link.ts'
import type { Answer, MemoryNetwork, NetworkEnd } from './memory-network.ts'
import {
  type Claim,
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
  /** Who is dialled at first; all members if absent. See {@link Transport.become}. */
  readonly peers?: ReadonlyMap<number, string>
  /** Where it listens; the address of the identity if absent. */
  readonly address?: string
}

/** The dialling side's view of one peer. */
interface Outgoing {
  readonly peer: number
  readonly address: string
  /** The id that this replica says. */
  readonly as: number
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
  readonly #secret: Uint8Array | null
  readonly #address: string
  #identity: Identity
  /** Incoming links whose dialler waits for its answer. */
  readonly #answering = new Set<MemoryLink>()
  readonly #accepted = new Map<number, MemoryLink>()
  /** By the id of the peer. */
  #outgoing: Map<number, Outgoing>
  /** Each ends one probe that waits for its answer. */
  readonly #probes = new Set<(error: EpaxosError) => void>()
  #handlers: TransportHandlers | null = null
  #closed = false

  /** Throws an `EpaxosError` with code `configuration` for an impossible identity. */
  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    const { identity, secret = null, address = identity.address } = options
    const { peers = identity.members === null ? new Map() : addressesOf(identity.members) } = options
    this.#network = network
    this.#secret = secret
    this.#address = address
    this.#identity = identity
    this.#outgoing = this.#outgoingTo(identity, peers)
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.#handlers !== null || this.#closed) throw new EpaxosError('closed', 'a transport starts once')
    if (!this.#network.join(this.#address, this)) {
      throw new EpaxosError('configuration', `cannot listen on address ${this.#address}: in use`)
    }
    this.#handlers = handlers
    for (const outgoing of this.#outgoing.values()) this.#dial(outgoing)
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

  become(identity: Identity, peers: ReadonlyMap<number, string>): void {
    const next = this.#outgoingTo(identity, peers)
    if (this.#closed) return
    const before = this.#outgoing
    this.#identity = identity
    this.#outgoing = next
    for (const link of [...this.#answering, ...this.#accepted.values()]) link.break()
    this.#accepted.clear()
    this.#endProbes(new EpaxosError('unreachable', 'this replica took another identity while it asked'))
    for (const outgoing of before.values()) this.#leave(outgoing)
    // The handlers of `down` may have called this again, or `dial`, or `close`.
    if (this.#outgoing !== next || this.#closed || this.#handlers === null) return
    for (const outgoing of next.values()) if (outgoing.link === null) this.#dial(outgoing)
  }

  dial(peer: number, address: string, as?: number): void {
    const said = saidId(this.#identity, peer, as)
    const before = this.#outgoing.get(peer)
    if (this.#closed || (before?.address === address && before.as === said)) return
    const outgoing = this.#newOutgoing(peer, address, said)
    this.#outgoing.set(peer, outgoing)
    if (before !== undefined) this.#leave(before)
    // See above.
    if (this.#outgoing.get(peer) === outgoing && !this.#closed && this.#handlers !== null) this.#dial(outgoing)
  }

  async probe(address: string, id: number): Promise<Claim> {
    if (this.#handlers === null || this.#closed) throw new EpaxosError('closed', 'the transport does not run')
    const from = saidId(this.#identity, id)
    const { options } = this.#network
    const unreachable = (why: string) => new EpaxosError('unreachable', `no replica answers at ${address}: ${why}`)
    return await new Promise<Claim>((resolve, reject) => {
      const end = (error: EpaxosError): void => {
        this.#probes.delete(end)
        reject(error)
        link.break()
      }
      const ends = { arrived: () => {}, lost: () => end(unreachable('the link broke')) }
      const link = new MemoryLink(from, id, options, ends, () => this.#network.cutBetween(from, id) === 'silent')
      this.#probes.add(end)
      options.schedule(SILENCE_MS, () => end(unreachable(`no answer within ${SILENCE_MS} ms`)))
      this.#reach(link, address, (answer) => {
        if (answer === null) return end(unreachable('it closed the link without an answer'))
        if ('refusal' in answer) return end(misfit(address, 'refuses this one', answer.refusal))
        const refusal = this.#refusalOf(answer.welcome, answer.secret, id)
        if (refusal !== null) return end(misfit(address, 'does not fit', refusal))
        const { version: _version, ...claim } = answer.welcome
        resolve(claim)
        end(unreachable('it has answered'))
      })
    })
  }

  /** Frames in flight still arrive, like what the operating system was given. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#handlers === null) return
    this.#network.leave(this.#address, this)
    this.#endProbes(new EpaxosError('closed', 'the replica is being closed'))
    for (const { peer, up } of this.#outgoing.values()) if (up) this.#handlers.down(peer)
    this.#accepted.clear()
  }

  loseLink(from: number, to: number): void {
    const outgoing = this.#outgoing.get(to)
    if (outgoing?.as === from) outgoing.link?.break()
  }

  releaseLink(from: number, to: number): void {
    const outgoing = this.#outgoing.get(to)
    if (outgoing?.as === from) outgoing.link?.release()
  }

  loseLinkTo(address: string): void {
    for (const outgoing of this.#outgoing.values()) if (outgoing.address === address) outgoing.link?.break()
  }

  arrived(link: MemoryLink, frame: Uint8Array): void {
    if (this.#closed) return
    const bytes = frame.slice()
    const whole = this.#handlers?.frame(link.from, bytes) ?? true
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    if (!whole) link.break()
  }

  lost(link: MemoryLink): void {
    const outgoing = this.#outgoing.get(link.to)
    if (this.#closed || outgoing?.link !== link) return
    const wasUp = outgoing.up
    outgoing.link = null
    outgoing.up = false
    this.#pause(outgoing, outgoing.again ? AGAIN_MS : outgoing.backoff.pause())
    if (wasUp) this.#handlers?.down(link.to)
  }

  #outgoingTo(identity: Identity, peers: ReadonlyMap<number, string>): Map<number, Outgoing> {
    checkIdentity(identity, peers)
    const outgoing = new Map<number, Outgoing>()
    for (const [peer, address] of peers) {
      if (peer !== identity.id) outgoing.set(peer, this.#newOutgoing(peer, address, identity.id))
    }
    return outgoing
  }

  #newOutgoing(peer: number, address: string, as: number): Outgoing {
    const backoff = new Backoff(this.#network.options.random)
    return { peer, address, as, backoff, link: null, up: false, again: false, pause: null }
  }

  /** Ends the link to a peer that is not dialled any more: nothing of it is heard afterwards. */
  #leave(outgoing: Outgoing): void {
    const { peer, link, up } = outgoing
    outgoing.link = null
    outgoing.up = false
    outgoing.pause = null
    link?.break()
    if (up) this.#handlers?.down(peer)
  }

  #endProbes(why: EpaxosError): void {
    for (const end of [...this.#probes]) end(why)
  }

  #dial(outgoing: Outgoing): void {
    const { peer, address, as } = outgoing
    const isSilent = () => this.#network.cutBetween(as, peer) === 'silent'
    const link = new MemoryLink(as, peer, this.#network.options, this, isSilent)
    outgoing.pause = null
    outgoing.again = false
    outgoing.link = link
    this.#reach(link, address, (answer) => void this.#onAnswer(outgoing, link, answer))
  }

  /** A handshake, up to the answer of whoever listens at the address; the link breaks if there is nobody. */
  #reach(link: MemoryLink, address: string, onAnswer: (answer: Answer) => void): void {
    const network = this.#network
    this.#later(link, () => {
      const cut = network.cutBetween(link.from, link.to)
      const answerer = network.at(address)
      if (cut === 'silent') network.options.schedule(SILENCE_MS, () => link.break())
      else if (cut === 'closed' || answerer === undefined) link.break()
      else void this.#greet(link, answerer, onAnswer)
    })
  }

  async #greet(link: MemoryLink, answerer: NetworkEnd, onAnswer: (answer: Answer) => void): Promise<void> {
    const answer = await answerer.answer(link, this.#claim(link.from), this.#secret)
    this.#later(link, () => onAnswer(answer))
  }

  /** The same checks in the same order as the listener. */
  async answer(link: MemoryLink, claim: Versioned, secret: Uint8Array | null): Promise<Answer> {
    let refusal = refusalOfDialler(this.#identity, claim, link.to)
    if (refusal === null && !sameBytes(secret, this.#secret)) refusal = 'secret'
    if (refusal === null) {
      this.#answering.add(link)
      const verdict = await this.#judge(link, claim, false)
      this.#answering.delete(link)
      if (verdict === null || this.#closed || link.broken) return null
      if (verdict !== 'yes' && verdict !== 'again') refusal = verdict
    }
    if (refusal !== null) {
      this.#handlers?.dropped('refused', `link refused: ${refusal}`)
      return { refusal, clusterId: this.#claim(link.to).clusterId }
    }
    this.#accepted.get(claim.id)?.break()
    this.#accepted.set(claim.id, link)
    link.accept(this)
    this.#hurry(claim.id)
    return { welcome: this.#claim(link.to), secret: this.#secret }
  }

  /** Null if that could not be found out. */
  async #judge(link: MemoryLink, claim: Versioned, dialled: boolean): Promise<Verdict | null> {
    const { id: peer } = claim
    try {
      return (await this.#handlers?.admit(peer, claim, dialled, dialled ? link.from : link.to)) ?? null
    } catch (error) {
      if (!this.#closed && !link.broken)
        this.#handlers?.dropped('handshake', `replica ${peer} could not be admitted: ${(error as Error).message}`)
      return null
    }
  }

  async #onAnswer(outgoing: Outgoing, link: MemoryLink, answer: Answer): Promise<void> {
    const handlers = this.#handlers as TransportHandlers
    if (answer === null) {
      link.break()
    } else if ('refusal' in answer) {
      link.break()
      handlers.refused(link.to, answer.refusal, answer.clusterId)
    } else if (await this.#accepts(outgoing, link, answer.welcome, answer.secret)) {
      const { cluster, epoch, replicas, id, incarnation, address, clientUrl } = answer.welcome
      outgoing.up = true
      this.#network.options.schedule(STABLE_MS, () => outgoing.link === link && outgoing.backoff.reset())
      handlers.up(link.to, { cluster, epoch, replicas, id, incarnation, address, clientUrl })
    }
  }

  async #accepts(
    outgoing: Outgoing,
    link: MemoryLink,
    welcome: Versioned,
    secret: Uint8Array | null,
  ): Promise<boolean> {
    const other = this.#refusalOf(welcome, secret, link.to)
    if (other !== null) return this.#giveUp(link, `another ${other}`)
    const verdict = await this.#judge(link, welcome, true)
    if (link.broken || this.#closed) return false
    if (verdict === 'yes') return true
    if (verdict === 'again') {
      outgoing.again = true
      link.break()
      return false
    }
    return this.#giveUp(link, verdict === null ? 'not judged' : wrongDirectory(verdict))
  }

  /** Why the answer of a replica is not accepted, before its directory is checked. */
  #refusalOf(welcome: Versioned, secret: Uint8Array | null, dialled: number): Refusal | null {
    return refusalOfDialled(this.#identity, welcome, dialled) ?? (sameBytes(secret, this.#secret) ? null : 'secret')
  }

  #claim(as: number): Versioned {
    const handlers = this.#handlers as TransportHandlers
    return { version: FORMAT_VERSION, ...claimOf(this.#identity, handlers.standing(), as) }
  }

  /** The next message of a handshake, unless the link broke meanwhile. */
  #later(link: MemoryLink, action: () => void): void {
    const { schedule, delayMs } = this.#network.options
    schedule(delayMs(link.from, link.to), () => {
      if (!link.broken && !this.#closed) action()
    })
  }

  #pause(outgoing: Outgoing, delayMs: number): void {
    const pause = {}
    outgoing.pause = pause
    this.#network.options.schedule(delayMs, () => {
      if (outgoing.pause === pause && !this.#closed) this.#dial(outgoing)
    })
  }

  /** The peer is known to be there: a pause that is under way is cut to the shortest. */
  #hurry(peer: number): void {
    const outgoing = this.#outgoing.get(peer)
    if (outgoing === undefined || outgoing.pause === null || outgoing.again) return
    outgoing.backoff.reset()
    this.#pause(outgoing, outgoing.backoff.pause())
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
