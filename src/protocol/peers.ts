import { Patience } from './patience.ts'
import { zeros } from './vector.ts'
import type { Votes } from './votes.ts'

/**
 * How much work the requests of one peer may cause at this replica between two checks (`timing.lookMs`). Asking is
 * cheap and answering is not. So what exceeds the allowance is dropped like a lost message, and the peer asks again.
 */
export interface Allowance {
  /** Bytes of batches, in all answers. */
  bytes: number
  /** Commits and promises. */
  answers: number
  /** Slots looked up for Asks. */
  slots: number
  /** Recoveries begun because of a TryRecover. */
  recoveries: number
  /** Keys looked up for Probes; a Probe counts for a few more. */
  keys: number
}

export const ALLOWANCE: Readonly<Allowance> = {
  bytes: 1 << 20,
  answers: 1024,
  slots: 8192,
  recoveries: 256,
  keys: 1 << 16,
}

/** What is known of one other replica. */
export interface Peer {
  readonly id: number
  /** A link to it stands. */
  linked: boolean
  heardMs: number
  /** Its link is up and it was heard recently: the core waits for it. */
  alive: boolean
  /** Round trip, smoothed, in ms; 0 before it was measured. */
  roundTripMs: number
  /** From its newest heartbeat. */
  sentMs: number
  heartbeatMs: number
  committed: readonly number[]
  /** What it has executed durably: the most that it announced. */
  executed: readonly number[]
  /** What it knows every member to have executed durably. */
  floor: readonly number[]
  /** An instance that is open here and forgotten there; null for none. */
  lacking: { readonly row: number; readonly slot: number } | null
  /** How long its silence is tolerated. */
  readonly patience: Patience
  /** The rest of what its requests may make this replica do. */
  readonly allowance: Allowance
  /** The highest number of a durable journal value that it has reported. */
  journal: number
  /** Whether its state after the same instances was the same; null if they were never compared. */
  agrees: boolean | null
}

/** The other members, and which of them can be counted on. */
export class Peers {
  readonly others: readonly number[]
  /** Peers with much data in flight to them: nothing is sent to them again before that is gone. */
  behind: Votes = 0
  readonly #peers: readonly Peer[]
  readonly #self: number

  constructor(self: number, replicas: number, suspectMs: number) {
    this.#self = self
    this.others = Array.from({ length: replicas }, (_, id) => id).filter((id) => id !== self)
    this.#peers = Array.from({ length: replicas }, (_, id) => ({
      id,
      linked: id === self,
      heardMs: 0,
      alive: id === self,
      roundTripMs: 0,
      sentMs: 0,
      heartbeatMs: 0,
      committed: zeros(replicas),
      executed: zeros(replicas),
      floor: zeros(replicas),
      lacking: null,
      patience: new Patience(suspectMs),
      allowance: { ...ALLOWANCE },
      journal: 0,
      agrees: null,
    }))
  }

  of(id: number): Peer {
    return this.#peers[id] as Peer
  }

  alive(id: number): boolean {
    return id === this.#self || this.of(id).alive
  }

  /** Does not count any silence up to now as a failure. */
  excuse(nowMs: number): void {
    for (const id of this.others) this.of(id).heardMs = nowMs
  }

  /** Members that are up as far as this replica knows, including itself. */
  get live(): number {
    let count = 1
    for (const id of this.others) if (this.of(id).alive) count++
    return count
  }

  /**
   * The first replica that is up in the order row, row + 1, …: it is responsible for the instances of the row
   * (protocol.md §4).
   */
  responsible(row: number): number {
    const n = this.#peers.length
    for (let i = 0; i < n; i++) {
      const id = (row + i) % n
      if (this.alive(id)) return id
    }
    return this.#self
  }
}
