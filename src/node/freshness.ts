import type { Core } from '../protocol/core.ts'
import type { Part } from './part.ts'
import type { OwnedRead } from './reads.ts'

/** The interval between two checks while nobody asks, and while stale reads are answered. */
const IDLE_MS = 1000
const ASKED_MS = 100

/**
 * One check. Of a class, so that all have one shape: an object literal with a getter has a new one each time, and with
 * each check the engine threw away the compiled code of the whole turn, which calls {@link finished}.
 */
class Check implements OwnedRead {
  readonly lo = 0
  readonly hi = 0
  readonly everything = true
  wanted = true
  readonly #ended: () => void

  constructor(ended: () => void) {
    this.#ended = ended
  }

  finished(): void {
    if (!this.wanted) return
    this.wanted = false
    this.#ended()
  }
}

/**
 * How old the state of this replica may be. From time to time the replica reads everything by a quorum: when that ends,
 * its state contains whatever was answered anywhere before it began. It costs two small messages per peer.
 */
export class Freshness implements Part {
  readonly #core: Pick<Core, 'founded' | 'readAll'>
  /** When the last check that has ended began, in ms of this replica's clock; null before the first. */
  #freshMs: number | null = null
  #begunMs = Number.NEGATIVE_INFINITY
  #running: Check | null = null
  #asked = false

  constructor(core: Pick<Core, 'founded' | 'readAll'>) {
    this.#core = core
  }

  /**
   * The state contains everything that was answered, by any replica, longer ago than this, in ms; null if nothing is
   * known yet. The time in which the whole machine is suspended does not count.
   */
  ageMs(nowMs: number): number | null {
    this.#asked = true
    return this.#freshMs === null ? null : nowMs - this.#freshMs
  }

  turn(nowMs: number): void {
    const intervalMs = this.#asked ? ASKED_MS : IDLE_MS
    if (!this.#core.founded || this.#running !== null || nowMs < this.#begunMs + intervalMs) return
    this.#begunMs = nowMs
    this.#asked = false
    const check = new Check(() => {
      this.#running = null
      this.#freshMs = nowMs
    })
    this.#running = check
    this.#core.readAll(check)
  }

  /** What peers said before does not count any more. */
  abandon(): void {
    if (this.#running !== null) this.#running.wanted = false
    this.#running = null
  }
}
