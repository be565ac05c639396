import type { Schedule } from './backoff.ts'

export interface HostAddress {
  readonly address: string
  /** 4 or 6. */
  readonly family: number
}

/**
 * Asks the system for the addresses of a host name. It may take as long as the name servers take, and cannot be
 * cancelled.
 */
export type LookUp = (host: string) => Promise<readonly HostAddress[]>

/**
 * Lookups in progress at a time. Node.js runs each of them on a thread of its pool, which has four. The disk needs that
 * pool, too: silent name servers must not stop it.
 */
export const MAX_LOOK_UPS = 2

/** How long a dial waits for a lookup: with addresses from an earlier one, and without. */
export const KNOWN_PATIENCE_MS = 250
export const FIRST_PATIENCE_MS = 2000

/** The code of the error of a dial whose lookup takes longer than it waits. */
export const LOOK_UP_LATE = 'LOOK_UP_LATE'

/** Never looked up: what listens on one of the two is on this machine. */
const LOCALHOST: readonly HostAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

interface Name {
  /** The result of the last successful lookup. */
  known: readonly HostAddress[]
  /** The lookup that is in progress or waits for its turn; it never rejects. */
  pending: Promise<void> | null
  /** Why the last lookup failed; null if it did not. */
  failure: Error | null
}

/**
 * Provides dials with the addresses of hosts. There is one lookup per name at a time. Its last result is used while the
 * next one takes long, and if that fails.
 */
export class Resolver {
  readonly #lookUp: LookUp
  readonly #schedule: Schedule
  readonly #names = new Map<string, Name>()
  /** Lookups that wait for their turn, the oldest first. */
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(lookUp: LookUp, schedule: Schedule) {
    this.#lookUp = lookUp
    this.#schedule = schedule
  }

  /**
   * Rejects if no address is known: with the reason why the lookup failed, or because it takes too long. The lookup
   * continues nevertheless.
   */
  async addressesOf(host: string): Promise<readonly HostAddress[]> {
    if (host === 'localhost') return LOCALHOST
    const name = this.#nameOf(host)
    const wasPending = name.pending !== null
    name.pending ??= this.#refresh(host, name)
    const isKnown = name.known.length > 0
    // The caller has already waited for a lookup that was in progress before.
    if (!isKnown || !wasPending) await this.#atMost(isKnown ? KNOWN_PATIENCE_MS : FIRST_PATIENCE_MS, name.pending)
    if (name.known.length > 0) return name.known
    if (name.failure !== null) throw name.failure
    const late = new Error(`the lookup of ${host} takes longer than ${FIRST_PATIENCE_MS} ms`)
    throw Object.assign(late, { code: LOOK_UP_LATE })
  }

  #nameOf(host: string): Name {
    const name = this.#names.get(host) ?? { known: [], pending: null, failure: null }
    this.#names.set(host, name)
    return name
  }

  async #refresh(host: string, name: Name): Promise<void> {
    await this.#turn()
    name.failure = null
    try {
      const addresses = await this.#lookUp(host)
      if (addresses.length === 0) throw new Error(`${host} has no address`)
      name.known = addresses
    } catch (error) {
      name.failure = error as Error
    } finally {
      name.pending = null
      this.#endTurn()
    }
  }

  /** Resolves when a lookup may begin; it then counts as in progress. */
  #turn(): Promise<void> {
    if (this.#underWay === MAX_LOOK_UPS) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#underWay++
    return Promise.resolve()
  }

  #endTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#underWay--
    else next()
  }

  #atMost(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#schedule(ms, resolve)
      void work.then(() => {
        cancel()
        resolve()
      })
    })
  }
}

/** A resolver as an option of `node:net`. */
export type NetLookup = (
  host: string,
  options: { readonly all?: boolean | undefined },
  done: (error: Error | null, address: string | HostAddress[], family?: number) => void,
) => void

/** A socket that gets `all` addresses tries them in turn. */
export function netLookup(resolver: Resolver): NetLookup {
  return (host, { all }, done) => {
    resolver.addressesOf(host).then(
      (addresses) => {
        const [first] = addresses as [HostAddress]
        if (all) done(null, [...addresses])
        else done(null, first.address, first.family)
      },
      (error: Error) => done(error, ''),
    )
  }
}
