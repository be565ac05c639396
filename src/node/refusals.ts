import type { Refusal, Standing } from '../transport/transport.ts'

interface Refused {
  readonly reason: Refusal
  /** The cluster id of the refuser; null if it has none or did not name it. */
  readonly clusterId: string | null
}

/** What each refusal says about the refused replica. */
const MEANINGS: { readonly [reason in Refusal]: string } = {
  version: 'it speaks another version of the protocol',
  cluster: "it has another cluster's name",
  replicas: 'it belongs to a cluster of another size',
  row: 'another replica is expected at that address',
  origin: 'its data directory was not restored from the same backup',
  secret: 'it has another secret',
  foreign: 'it belongs to another cluster, by its cluster id',
  unknown: 'no member has its id and its data directory: `epaxos members add` and `members replace` take a new one in',
  amnesiac: 'it has another data directory under this id',
  copy: 'it has seen a later start of this data directory',
}

/**
 * Which peers refuse this replica at present: the outcome of the latest handshake with each. The word of one peer never
 * ends a replica, because that peer may be the one that does not belong here (protocol.md §9).
 */
export class Refusals {
  readonly #latest = new Map<number, Refused>()
  readonly #crashes: number

  /** @param crashes f, the number of crashes that the cluster survives */
  constructor(crashes: number) {
    this.#crashes = crashes
  }

  /** Returns whether this is new. */
  refused(peer: number, reason: Refusal, clusterId: string | null): boolean {
    const before = this.#latest.get(peer)
    this.#latest.set(peer, { reason, clusterId })
    return before?.reason !== reason || before.clusterId !== clusterId
  }

  welcomed(peer: number): void {
    this.#latest.delete(peer)
  }

  /** Why this replica must end for good; null if it need not. */
  whyEnd({ clusterId, founded }: Standing): string | null {
    const refusers = founded ? this.#byOwn(clusterId) : this.#bySome()
    if (refusers === null) return null
    const whole = refusers.map(([, { reason }]) => reason)
    const meaning = whole.includes('amnesiac')
      ? 'they know this id with another data directory'
      : 'they have seen a later start of this data directory: this one is an older copy'
    const peers = refusers.map(([peer]) => peer).join(', ')
    return `replicas ${peers} refuse this one, which must not vote under its id: ${meaning}`
  }

  /** Who refuses this replica and why, for people; empty if nobody does. */
  describe(nameOf: (peer: number) => string): string {
    if (this.#latest.size === 0) return ''
    const each = [...this.#latest].sort(([a], [b]) => a - b)
    return each.map(([peer, { reason }]) => `refused by ${nameOf(peer)}: ${MEANINGS[reason]}`).join('; ')
  }

  /** More than f members of its own cluster, or null. */
  #byOwn(clusterId: string | null): [number, Refused][] | null {
    const refusers = [...this.#latest].filter(
      ([, { reason, clusterId: its }]) => its === clusterId && (reason === 'amnesiac' || reason === 'copy'),
    )
    return refusers.length > this.#crashes ? refusers : null
  }

  /**
   * A replica that is not founded has no cluster of its own. If more than f peers of one cluster, and at least two,
   * know its id with another directory, it is the empty disk of one of their members.
   */
  #bySome(): [number, Refused][] | null {
    for (const [, { clusterId }] of this.#latest) {
      const refusers = [...this.#latest].filter(
        ([, { reason, clusterId: its }]) => its !== null && its === clusterId && reason === 'amnesiac',
      )
      if (refusers.length > Math.max(1, this.#crashes)) return refusers
    }
    return null
  }
}
