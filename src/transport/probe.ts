import type { LookupFunction } from 'node:net'
import WebSocket, { type RawData } from 'ws'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { claimOf, misfit, refusalOfDialled } from './admission.ts'
import type { Schedule } from './backoff.ts'
import { DIAL_OPTIONS } from './dialler.ts'
import {
  helloText,
  type Nonces,
  needsProof,
  newNonce,
  type Refused,
  readAnswer,
  refusalIsProved,
  type Welcome,
  welcomeIsProved,
} from './handshake.ts'
import { HANDSHAKE_TIMEOUT_MS, peerUrl } from './links.ts'
import type { NetLookup } from './resolver.ts'
import type { Claim, Identity, Standing } from './transport.ts'

export interface ProbeOptions {
  readonly identity: Identity
  readonly standing: () => Standing
  readonly secret: Uint8Array | null
  /** The replica that is expected at the address. */
  readonly peer: number
  /** `HOST:PORT`. */
  readonly address: string
  readonly lookup: NetLookup
  readonly schedule: Schedule
}

/** One handshake with whoever answers at an address, and no link after it; see {@link Transport.probe}. */
export class Probe {
  /** What the replica there says about itself. */
  readonly claim: Promise<Claim>
  /** Resolves when the socket is closed, after {@link claim} has settled. */
  readonly closed: Promise<void>
  readonly #options: ProbeOptions
  readonly #socket: WebSocket
  readonly #nonce = newNonce()
  #nonces: Nonces | null = null
  /** It has an answer, or has given up: nothing that arrives has an effect. */
  #over = false
  #resolve: (claim: Claim) => void = () => {}
  #reject: (error: EpaxosError) => void = () => {}

  /** Throws an `EpaxosError` with code `configuration` for an address that cannot be dialled. */
  constructor(options: ProbeOptions) {
    const { address, lookup, schedule } = options
    this.#options = options
    this.#socket = new WebSocket(peerUrl(address), { ...DIAL_OPTIONS, lookup: lookup as LookupFunction })
    this.claim = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const cancelTimer = schedule(HANDSHAKE_TIMEOUT_MS, () =>
      this.end(this.#unreachable(`no answer within ${HANDSHAKE_TIMEOUT_MS} ms`)),
    )
    this.#socket.on('message', (data, binary) => this.#onMessage(data, binary))
    this.#socket.on('error', (error) => this.end(this.#unreachable(error.message)))
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        cancelTimer()
        this.end(this.#unreachable('it closed the link without an answer'))
        resolve()
      })
    })
  }

  /** Gives up; without effect if it has an answer. */
  end(error: EpaxosError): void {
    this.#over = true
    this.#reject(error)
    this.#socket.terminate()
  }

  #onMessage(data: RawData, binary: boolean): void {
    if (this.#over) return
    try {
      if (binary) throw new EpaxosError(ErrorCode.malformed, 'a frame before a welcome')
      const answer = readAnswer(data as Buffer)
      if (answer.type === 'challenge' && this.#nonces === null) this.#greet(answer.nonce)
      else if (answer.type === 'welcome' && this.#nonces !== null) this.#onWelcome(answer, this.#nonces)
      else if (answer.type === 'refusal' && this.#nonces !== null) this.#onRefusal(answer, this.#nonces)
      else throw new EpaxosError(ErrorCode.malformed, `handshake: a ${answer.type} out of turn`)
    } catch (error) {
      this.end(this.#unreachable((error as Error).message))
    }
  }

  #greet(challenge: string): void {
    const { identity, standing, peer, secret } = this.#options
    this.#nonces = { challenge, hello: this.#nonce }
    this.#socket.send(helloText(claimOf(identity, standing(), identity.id), peer, this.#nonces, secret))
  }

  #onWelcome(welcome: Welcome, nonces: Nonces): void {
    const { identity, peer, secret, address } = this.#options
    const isProved = welcomeIsProved(welcome, identity.id, nonces, secret)
    const refusal = refusalOfDialled(identity, welcome, peer) ?? (isProved ? null : 'secret')
    if (refusal !== null) return this.end(misfit(address, 'does not fit', refusal))
    const { type: _type, version: _version, proof: _proof, ...claim } = welcome
    this.#over = true
    this.#resolve(claim)
    this.#socket.terminate()
  }

  #onRefusal(refusal: Refused, nonces: Nonces): void {
    const { secret, address } = this.#options
    const isEmpty = needsProof(refusal) && !refusalIsProved(refusal, nonces, secret)
    this.end(isEmpty ? misfit(address, 'does not fit', 'secret') : misfit(address, 'refuses this one', refusal.reason))
  }

  #unreachable(why: string): EpaxosError {
    return new EpaxosError(ErrorCode.unreachable, `no replica answers at ${this.#options.address}: ${why}`)
  }
}
