import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Membership, rowOf } from '../protocol/membership.ts'
import type { Claim, Refusal, Standing, Verdict } from '../transport/transport.ts'
import type { Incarnations } from './incarnations.ts'
import type { Logger } from './logger.ts'
import type { Part } from './part.ts'
import { Refusals } from './refusals.ts'

export interface HandshakesOptions {
  readonly members: Membership
  readonly incarnations: Incarnations
  readonly logger: Logger
  /** The peers refuse this replica for good. */
  readonly failed: (error: Error) => void
}

/** Who is let in, what peers say of this replica, and what people are told about both. */
export class Handshakes implements Part {
  readonly #options: HandshakesOptions
  readonly #refusals: Refusals
  /** What was last logged about the founding. */
  #toldFounding = ''

  constructor(options: HandshakesOptions) {
    this.#options = options
    this.#refusals = new Refusals(options.members.quorums.crashes)
  }

  /** The same at all members once they are founded, and different at every other cluster; null before. */
  get clusterId(): string | null {
    const { incarnations } = this.#options
    return incarnations.founded ? incarnations.clusterId : null
  }

  /** Null if all members have met; otherwise what the founding waits for. */
  get notFounded(): string | null {
    const { incarnations } = this.#options
    if (incarnations.founded) return null
    const names = incarnations.missing.map((peer) => this.#nameOf(peer))
    return `founding: waits for ${names.join(', ')}: the first start needs all members`
  }

  /** Who refuses this replica and why, for people; empty if nobody does. */
  get refusals(): string {
    return this.#refusals.describe((peer) => this.#nameOf(peer))
  }

  get standing(): Standing {
    return this.#options.incarnations.standing
  }

  /** See `TransportHandlers.admit`. */
  async admit(peer: number, claim: Claim, dialled: boolean): Promise<Verdict> {
    if (dialled) this.#refusals.welcomed(peer)
    return this.#options.incarnations.admit(peer, claim, dialled)
  }

  /** See `TransportHandlers.refused`. */
  refused(peer: number, reason: Refusal, clusterId: string | null): void {
    const { members, logger } = this.#options
    // The word of a replica that has left, or of a later epoch, ends nobody: it may not know who is believed here.
    if (rowOf(members, peer) < 0)
      return logger.info({ peer, reason, clusterId }, 'refused by a replica of another epoch')
    if (!this.#refusals.refused(peer, reason, clusterId)) return
    logger.warn({ peer, reason, clusterId }, 'refused by a peer')
    const why = this.#refusals.whyEnd(this.standing)
    if (why !== null) this.#options.failed(new EpaxosError(ErrorCode.refusedByPeers, why))
  }

  poll(): void {
    const { clusterId, notFounded } = this
    const text = notFounded ?? 'founded: all members know each other'
    if (text === this.#toldFounding) return
    this.#toldFounding = text
    this.#options.logger.info(notFounded === null ? { clusterId } : {}, text)
  }

  #nameOf(peer: number): string {
    const { members } = this.#options
    const member = members.members[rowOf(members, peer)]
    return `replica ${peer}${member === undefined ? '' : ` (${member.address})`}`
  }
}
