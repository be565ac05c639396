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
  readonly #learned: string[] = []
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
   * The replica at `from` reported where the others are. Ignores what is not a URL. Also ignores a URL without TLS if
   * `from` has TLS: everybody could read the traffic to it, and an address behind the proxy that speaks TLS is useless
   * outside.
   */
  learn(urls: readonly string[], from: string): void {
    for (const text of urls) {
      const url = learnable(text)
      if (url === null || (from.startsWith('wss:') && !url.startsWith('wss:'))) continue
      if (this.knows(url) || this.#forgotten.has(url)) continue
      if (this.#given.length + this.#learned.length < MAX_URLS) this.#learned.push(url)
    }
  }

  /**
   * Records whether a replica of another cluster answered at `url`. A learned URL that leads to another cluster is
   * dropped.
   */
  tried(url: string, isForeign: boolean): void {
    if (this.#given.includes(url)) {
      if (isForeign) this.#foreign.add(url)
      else this.#foreign.delete(url)
    } else if (isForeign) {
      const at = this.#learned.indexOf(url)
      if (at >= 0) this.#learned.splice(at, 1)
      if (this.#forgotten.size < MAX_URLS) this.#forgotten.add(url)
    }
  }

  knows(url: string): boolean {
    return this.#given.includes(url) || this.#learned.includes(url)
  }

  /**
   * The order in which to try them after `last` failed: the given URLs that follow it, the learned ones, and `last`
   * again.
   */
  after(last: string | null): string[] {
    if (last === null) return [...this.#given, ...this.#learned]
    const at = this.#given.indexOf(last)
    const rotated = [...this.#given.slice(at + 1), ...this.#given.slice(0, at + 1)]
    return [...[...rotated, ...this.#learned].filter((url) => url !== last), last]
  }
}

/** The WebSocket URL of a replica that another one reported; null if it leads nowhere. */
function learnable(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol) || ANY_HOSTS.includes(url.hostname)) return null
  return socketUrl(text)
}
