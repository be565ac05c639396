import type { Versioned } from './admission.ts'
import { type MemoryLink, SILENCE_MS } from './memory-link.ts'
import { MAX_BACKPRESSURE_BYTES, type Refusal } from './transport.ts'

export interface MemoryNetworkOptions {
  /**
   * Runs `action` after `delayMs` of the caller's time, never before the call returns. Actions due at the same time run
   * in the order in which they were scheduled, and promises settle in between. This function controls all time of the
   * network.
   */
  readonly schedule: (delayMs: number, action: () => void) => unknown
  /** The fate of one frame: the delay in ms of each copy that arrives. `[]` loses it, two entries duplicate it. */
  readonly fate?: (from: number, to: number, frame: Uint8Array) => readonly number[]
  /** The delay in ms of the messages of a handshake, and of frames if there is no `fate`; 1 if absent. */
  readonly delayMs?: (from: number, to: number) => number
  /** How many bytes a link transmits in a ms: frames wait for those before them. `Infinity` where absent. */
  readonly bytesPerMs?: (from: number, to: number) => number
  /** With more that has not arrived, a link is closed; `MAX_BACKPRESSURE_BYTES` where absent. */
  readonly mostBufferedBytes?: () => number
  /**
   * False lets frames of one link overtake each other according to their delays; true, the default, is what sockets do.
   */
  readonly ordered?: boolean
  /** Jitter of the pauses between dials, in [0, 1); none if absent. */
  readonly random?: () => number
}

/**
 * `closed`: the link breaks at once. `silent`: frames wait, and nobody notices; after {@link SILENCE_MS} the link
 * breaks and they are lost.
 */
export type Cut = 'closed' | 'silent'

/** What the dialled side answers; null if it gives no answer. */
export type Answer =
  | { readonly refusal: Refusal; readonly clusterId: string | null }
  | { readonly welcome: Versioned; readonly secret: Uint8Array | null }
  | null

/** A replica's end of the network. */
export interface NetworkEnd {
  /** The link that it dialled as `from` breaks. */
  loseLink(from: number, to: number): void
  /** The link that it dialled as `from` is no longer silent. */
  releaseLink(from: number, to: number): void
  /** The link that it dialled to the address breaks. */
  loseLinkTo(address: string): void
  /** It is dialled. */
  answer(link: MemoryLink, claim: Versioned, secret: Uint8Array | null): Promise<Answer>
}

/**
 * Links in one process, without sockets, for tests and simulations: as deterministic as `schedule`, `fate` and `random`
 * are. A frame arrives in a buffer of its own that is detached when its handler returns, as with real sockets.
 */
export class MemoryNetwork {
  readonly options: Required<MemoryNetworkOptions>
  /** By the address where they listen. */
  readonly #ends = new Map<string, NetworkEnd>()
  readonly #cuts = new Map<string, { readonly cut: Cut }>()

  constructor(options: MemoryNetworkOptions) {
    const delayMs = options.delayMs ?? (() => 1)
    this.options = {
      schedule: options.schedule,
      fate: options.fate ?? ((from, to) => [delayMs(from, to)]),
      delayMs,
      bytesPerMs: options.bytesPerMs ?? (() => Number.POSITIVE_INFINITY),
      mostBufferedBytes: options.mostBufferedBytes ?? (() => MAX_BACKPRESSURE_BYTES),
      ordered: options.ordered ?? true,
      random: options.random ?? (() => 0),
    }
  }

  /**
   * Cuts the link that `from` dials to `to`, by the ids that they say: its frames and its handshakes. The link in the
   * other direction stays.
   */
  cut(from: number, to: number, cut: Cut = 'closed'): void {
    const entry = { cut }
    this.#cuts.set(`${from}>${to}`, entry)
    if (cut === 'closed') {
      for (const end of this.#ends.values()) end.loseLink(from, to)
    } else {
      this.options.schedule(SILENCE_MS, () => {
        if (this.#cuts.get(`${from}>${to}`) !== entry) return
        for (const end of this.#ends.values()) end.loseLink(from, to)
      })
    }
  }

  /** Ends a cut: frames that wait in a silent one arrive. */
  heal(from: number, to: number): void {
    this.#cuts.delete(`${from}>${to}`)
    for (const end of this.#ends.values()) end.releaseLink(from, to)
  }

  /** The cut of the link; null if there is none. */
  cutBetween(from: number, to: number): Cut | null {
    return this.#cuts.get(`${from}>${to}`)?.cut ?? null
  }

  /** The end that listens at an address. */
  at(address: string): NetworkEnd | undefined {
    return this.#ends.get(address)
  }

  /** Returns false if another end listens there. */
  join(address: string, end: NetworkEnd): boolean {
    if (this.#ends.has(address)) return false
    this.#ends.set(address, end)
    return true
  }

  /** Frees the address; the links to it break. */
  leave(address: string, end: NetworkEnd): void {
    if (this.#ends.get(address) !== end) return
    this.#ends.delete(address)
    for (const other of this.#ends.values()) other.loseLinkTo(address)
  }
}
