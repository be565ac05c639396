/** A stranger is anything that can be identified and closed. */
export interface StrangersOptions<T> {
  readonly limit: number
  /**
   * Nobody is evicted earlier than this after arriving, so that a stranger in a crowd has time to show who it is. 0 for
   * at once.
   */
  readonly graceMs: number
  evict(stranger: T): void
  readonly now?: () => number
}

interface Stranger {
  readonly address: string
  readonly since: number
}

/**
 * Connections that have not shown who they are. Nobody is refused because of the others: beyond the limit the oldest is
 * evicted, among those of the address that has the most. So a peer that shows at once who it is always gets in, and one
 * address cannot drive out the others.
 */
export class Strangers<T> {
  readonly #options: StrangersOptions<T>
  readonly #now: () => number
  /** Oldest first. */
  readonly #strangers = new Map<T, Stranger>()
  readonly #countOf = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(options: StrangersOptions<T>) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  get count(): number {
    return this.#strangers.size
  }

  has(stranger: T): boolean {
    return this.#strangers.has(stranger)
  }

  add(stranger: T, address: string): void {
    this.#strangers.set(stranger, { address, since: this.#now() })
    this.#countOf.set(address, (this.#countOf.get(address) ?? 0) + 1)
    this.#trim()
  }

  /** It is gone, or has shown who it is. Returns false if it was not among them. */
  delete(stranger: T): boolean {
    const entry = this.#strangers.get(stranger)
    if (entry === undefined) return false
    this.#strangers.delete(stranger)
    const count = this.#countOf.get(entry.address) as number
    if (count === 1) this.#countOf.delete(entry.address)
    else this.#countOf.set(entry.address, count - 1)
    return true
  }

  /** Evicts one, whatever the limit; returns false if there is none. */
  evictOne(): boolean {
    const oldest = this.#oldestOfMost()
    if (oldest === null) return false
    this.delete(oldest)
    this.#options.evict(oldest)
    return true
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#strangers.clear()
    this.#countOf.clear()
  }

  #trim(): void {
    const { limit, graceMs } = this.#options
    while (this.#strangers.size > limit) {
      const oldest = this.#oldestOfMost() as T
      const waitMs = (this.#strangers.get(oldest) as Stranger).since + graceMs - this.#now()
      if (waitMs > 0) return this.#trimIn(waitMs)
      this.evictOne()
    }
  }

  /** Runs after the sockets of this turn were read: what has arrived counts, however long the turn before was. */
  #trimIn(waitMs: number): void {
    this.#timer ??= setTimeout(() => {
      setImmediate(() => {
        this.#timer = null
        this.#trim()
      })
    }, waitMs).unref()
  }

  #oldestOfMost(): T | null {
    let most = 0
    for (const count of this.#countOf.values()) most = Math.max(most, count)
    for (const [stranger, { address }] of this.#strangers) if (this.#countOf.get(address) === most) return stranger
    return null
  }
}
