import { EpaxosError } from '../errors.ts'

/** Where clients' WebSockets are opened, behind whatever path a proxy adds. */
const PATH = '/client'

/** The WebSocket of a replica: `ws`, `wss`, `http` and `https` URLs are taken. Throws an `EpaxosError` with code `configuration`. */
export function socketUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const protocol = url?.protocol.replace(/^http/, 'ws')
  if (url === null || (protocol !== 'ws:' && protocol !== 'wss:')) {
    throw new EpaxosError('configuration', `not a URL of a replica, such as ws://127.0.0.1:7001: ${text}`)
  }
  const path = url.pathname.replace(/\/$/, '')
  return `${protocol}//${url.host}${path.endsWith(PATH) ? path : path + PATH}`
}

/** Replicas learned from others beyond this many are not kept. */
const MAX_URLS = 32

/** Addresses to listen on: nobody is reached there. */
const ANY_HOSTS = ['0.0.0.0', '[::]']

/** The replicas that are known: those that were given, and those that they told of. */
export class ReplicaUrls {
  readonly #given: readonly string[]
  readonly #learned: string[] = []
  /** Given ones where a replica of another cluster answered the last time. */
  readonly #foreign = new Set<string>()
  /** Learned ones where a replica of another cluster answered: they are not learned again. */
  readonly #forgotten = new Set<string>()

  /** Throws an `EpaxosError` with code `configuration`. */
  constructor(urls: readonly string[]) {
    this.#given = [...new Set(urls.map(socketUrl))]
    if (this.#given.length === 0) throw new EpaxosError('configuration', 'no URL of a replica')
  }

  /** Every given URL led to another cluster when it was tried last. */
  get allForeign(): boolean {
    return this.#foreign.size === this.#given.length
  }

  /**
   * The replica at `from` said where the others are. What is no URL is ignored, and so is a URL without TLS where `from` has TLS: the way
   * there would be open to everybody, and an address behind the proxy that speaks TLS is no use outside.
   */
  learn(urls: readonly string[], from: string): void {
    for (const text of urls) {
      const url = learnable(text)
      if (url === null || (from.startsWith('wss:') && !url.startsWith('wss:'))) continue
      if (this.knows(url) || this.#forgotten.has(url)) continue
      if (this.#given.length + this.#learned.length < MAX_URLS) this.#learned.push(url)
    }
  }

  /** Whether a replica of another cluster answered at `url`. A learned URL that leads to another cluster is dropped. */
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

  /** The order in which to try them after `last` did not do: the given ones that follow it, the learned ones, and it again. */
  after(last: string | null): string[] {
    if (last === null) return [...this.#given, ...this.#learned]
    const at = this.#given.indexOf(last)
    const rotated = [...this.#given.slice(at + 1), ...this.#given.slice(0, at + 1)]
    return [...[...rotated, ...this.#learned].filter((url) => url !== last), last]
  }
}

/** The WebSocket of a replica that another one told of; null for what leads nowhere. */
function learnable(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol) || ANY_HOSTS.includes(url.hostname)) return null
  return socketUrl(text)
}
