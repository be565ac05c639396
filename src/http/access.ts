import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { formatAddress, isAnyHost, isLoopback } from '../node/addresses.ts'

export interface AccessOptions {
  /** Where the server listens. */
  readonly host: string
  readonly secret: Uint8Array | null
  /** Origins of pages that may use this port besides its own, e.g. `https://example.org`. */
  readonly allowedOrigins: readonly string[]
  /** The URL of the replica that clients learn; empty if there is none. */
  readonly clientUrl: string
}

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/** Who may use the client port. */
export class Access {
  readonly #origins = new Set<string>()
  readonly #hosts = new Set<string>(['localhost'])
  readonly #host: string
  readonly #secret: Uint8Array | null

  /** Throws an `EpaxosError` with code `configuration` for a text that is not an origin. */
  constructor({ host, secret, allowedOrigins, clientUrl }: AccessOptions) {
    this.#host = host
    this.#secret = secret === null ? null : digest(secret)
    if (clientUrl !== '') this.#allow(clientUrl.replace(/^ws/, 'http'))
    for (const origin of allowedOrigins) this.#allow(origin)
  }

  get needsSecret(): boolean {
    return this.#secret !== null
  }

  /** The port is known: pages that come from it are the replica's own. */
  listening(port: number): void {
    const host = this.#host
    this.#allow(`http://${formatAddress({ host, port })}`)
    if (!isLoopback(host) && !isAnyHost(host)) return
    for (const name of LOOPBACK_HOSTS) this.#allow(`http://${name}:${port}`)
  }

  /**
   * Throws `forbidden` for a page of another origin. The configured addresses decide that, never the Host header: a
   * page whose name was rebound to this address sends its own name in both. Such a page sends no Origin at all when it
   * only reads, so the Host must also be one of ours or an address, unless a secret keeps the page out.
   */
  checkOrigin(origin: string, host: string): void {
    if (origin !== '' && !this.#origins.has(origin.toLowerCase())) {
      throw new EpaxosError(ErrorCode.forbidden, 'this origin is not allowed')
    }
    if (origin !== '' || this.#secret !== null || host === '') return
    const name = host.toLowerCase().replace(/:\d*$/, '')
    if (isIP(name.replace(/^\[|\]$/g, '')) === 0 && !this.#hosts.has(name)) {
      throw new EpaxosError(ErrorCode.forbidden, 'this host name is not allowed')
    }
  }

  /** Throws `unauthorized` unless the Authorization header contains the secret. */
  authorize(authorization: string): void {
    if (this.#secret === null) return
    // Node's parser returns each byte of a line as one character.
    const token = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? ''
    if (!timingSafeEqual(digest(Buffer.from(token, 'latin1')), this.#secret)) {
      throw new EpaxosError(ErrorCode.unauthorized, 'the secret is missing or wrong: Authorization: Bearer SECRET')
    }
  }

  #allow(text: string): void {
    const url = URL.canParse(text) ? new URL(text) : null
    if (url === null || url.origin === 'null') throw new EpaxosError('configuration', `not an origin: ${text}`)
    this.#origins.add(url.origin)
    this.#hosts.add(url.hostname)
  }
}

/** Always of the same length, so that the time of the comparison reveals nothing. */
function digest(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
