import { EpaxosError } from '../errors.ts'

/** The path at which clients open WebSockets, after any path that a proxy adds. */
const PATH = '/client'

/**
 * The WebSocket URL of a replica; accepts `ws`, `wss`, `http` and `https` URLs. Throws an `EpaxosError` with code
 * `configuration`.
 */
export function socketUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const protocol = url?.protocol.replace(/^http/, 'ws')
  if (url === null || (protocol !== 'ws:' && protocol !== 'wss:')) {
    throw new EpaxosError('configuration', `not a URL of a replica, such as ws://127.0.0.1:7001: ${text}`)
  }
  const path = url.pathname.replace(/\/$/, '')
  return `${protocol}//${url.host}${path.endsWith(PATH) ? path : path + PATH}`
}

/** The client keeps at most this many learned replicas. */
const MAX_URLS = 32

/** Addresses to listen on; nobody can be reached there. */
const ANY_HOSTS = ['0.0.0.0', '[::]']

/** The known replicas: those that were given, and those learned from them. */
export class ReplicaUrls {
  readonly #given: readonly string[]
  /** With the epoch in which each was last learned. */
  readonly #learned = new Map<string, number>()
  /** The latest epoch that a replica has reported. */
  #epoch = 0
  /** Given URLs at which a replica of another cluster answered the last time. */
  readonly #foreign = new Set<string>()
  /** Learned URLs at which a replica of another cluster answered: they are not learned again. */
  readonly #forgotten = new Set<string>()

  /** Throws an `EpaxosError` with code `configuration`. */
  constructor(urls: readonly string[]) {
    this.#given = [...new Set(urls.map(socketUrl))]
    if (this.#given.length === 0) throw new EpaxosError('configuration', 'no URL of a replica')
  }

  /** Whether every given URL led to another cluster when it was last tried. */
  get allForeign(): boolean {
    return this.#foreign.size === this.#given.length
  }

  /**
   * The replica at `from` reported where the members of an epoch are; unknown URLs are empty. A report of an earlier
   * epoch is outdated. One that has the URLs of all members replaces what was learned; otherwise URLs of members that
   * were removed since stay until they fail.
   *
   * Ignores what is not a URL. Also ignores a URL without TLS if `from` has TLS: everybody could read the traffic to
   * it, and an address behind the proxy that speaks TLS is useless outside.
   */
  learn(urls: readonly string[], from: string, epoch: number): void {
    if (epoch < this.#epoch) return
    this.#epoch = epoch
    if (!urls.includes('')) this.#learned.clear()
    for (const text of urls) {
      const url = learnable(text)
      if (url === null || (from.startsWith('wss:') && !url.startsWith('wss:'))) continue
      if (this.#given.includes(url) || this.#forgotten.has(url)) continue
      if (this.#learned.has(url) || this.#hasRoom()) this.#learned.set(url, epoch)
    }
  }

  /** Makes room for one more, if need be in the place of one of an earlier epoch. */
  #hasRoom(): boolean {
    if (this.#given.length + this.#learned.size < MAX_URLS) return true
    const old = this.#all.find((url) => this.#isOld(url))
    return old !== undefined && this.#learned.delete(old)
  }

  /** Whether it may lead to a replica that was removed. */
  #isOld(url: string): boolean {
    return (this.#learned.get(url) ?? this.#epoch) < this.#epoch
  }

  /**
   * Records how a try ended. A learned URL is dropped if a replica of another cluster answers there, or if it may lead
   * to a replica that was removed.
   */
  tried(url: string, ended: 'worked' | 'failed' | 'foreign'): void {
    const isForeign = ended === 'foreign'
    if (this.#given.includes(url)) {
      if (isForeign) this.#foreign.add(url)
      else this.#foreign.delete(url)
    } else if (isForeign) {
      this.#learned.delete(url)
      if (this.#forgotten.size < MAX_URLS) this.#forgotten.add(url)
    } else if (ended === 'failed' && this.#isOld(url)) this.#learned.delete(url)
  }

  knows(url: string): boolean {
    return this.#given.includes(url) || this.#learned.has(url)
  }

  /**
   * The order in which to try them after `last` failed: the given URLs that follow it, the learned ones, and `last`
   * again.
   */
  after(last: string | null): string[] {
    const at = last === null ? -1 : this.#given.indexOf(last)
    const rotated = [...this.#given.slice(at + 1), ...this.#given.slice(0, at + 1), ...this.#later]
    const others = rotated.filter((url) => url !== last)
    return last === null || !this.knows(last) ? others : [...others, last]
  }

  /** An order without the URLs that were dropped since, and with those that were learned since. */
  refreshed(order: readonly string[]): string[] {
    return [...order.filter((url) => this.knows(url)), ...this.#all.filter((url) => !order.includes(url))]
  }

  get #all(): string[] {
    return [...this.#given, ...this.#later]
  }

  /** The learned ones; last those that may lead to replicas that were removed. */
  get #later(): string[] {
    return [...this.#learned.keys()].sort((a, b) => Number(this.#isOld(a)) - Number(this.#isOld(b)))
  }
}

/** The WebSocket URL of a replica that another one reported; null if it leads nowhere. */
function learnable(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol) || ANY_HOSTS.includes(url.hostname)) return null
  return socketUrl(text)
}
