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

/** The replicas that are known: those that were given, and those that they told of. */
export class ReplicaUrls {
  readonly #given: readonly string[]
  readonly #learned: string[] = []

  /** Throws an `EpaxosError` with code `configuration`. */
  constructor(urls: readonly string[]) {
    this.#given = [...new Set(urls.map(socketUrl))]
    if (this.#given.length === 0) throw new EpaxosError('configuration', 'no URL of a replica')
  }

  /** A replica said where the others are; what is no URL is ignored. */
  learn(urls: readonly string[]): void {
    for (const text of urls) {
      if (!URL.canParse(text) || !/^(http|ws)s?:$/.test(new URL(text).protocol)) continue
      const url = socketUrl(text)
      const known = this.#given.includes(url) || this.#learned.includes(url)
      if (!known && this.#given.length + this.#learned.length < MAX_URLS) this.#learned.push(url)
    }
  }

  /** The order in which to try them after `last` did not do: the given ones that follow it, the learned ones, and it again. */
  after(last: string | null): string[] {
    if (last === null) return [...this.#given, ...this.#learned]
    const at = this.#given.indexOf(last)
    const rotated = [...this.#given.slice(at + 1), ...this.#given.slice(0, at + 1)]
    return [...[...rotated, ...this.#learned].filter((url) => url !== last), last]
  }
}
