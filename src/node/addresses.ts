import { MAX_URL_BYTES } from '../codec/limits.ts'
import { EpaxosError } from '../errors.ts'
import { MAX_ADDRESS_BYTES } from '../protocol/membership-bytes.ts'
import { type Address, parseAddress } from '../transport/links.ts'

/**
 * The text of an address at which members reach a replica, in the one form in which addresses are compared. Throws an
 * `EpaxosError` with code `configuration` if nobody could be reached there.
 */
export function peerAddress(text: string): string {
  const { host, port } = parseAddress(text)
  const address = formatAddress({ host, port })
  const wrong = (why: string) => new EpaxosError('configuration', `not an address of a replica (${why}): ${text}`)
  if (port === 0) throw wrong('port 0')
  if (isAnyHost(host)) throw wrong('it stands for every address of a machine')
  if (Buffer.byteLength(address) > MAX_ADDRESS_BYTES) throw wrong(`longer than ${MAX_ADDRESS_BYTES} bytes`)
  return address
}

/** Whether `host` stands for every address of a machine: one can listen there, but nobody can connect to it. */
export function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || /^\[?::\]?$/.test(host)
}

/** What is wrong with a URL that clients should learn; null for nothing. */
export function whyNotAdvertised(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^(http|ws)s?:$/.test(url.protocol)) return 'is no URL such as http://db-0.example:7001'
  if (isAnyHost(url.hostname)) return 'names no host that a client could reach'
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return 'has more than a scheme, a host, a port and a path'
  }
  return Buffer.byteLength(text) > MAX_URL_BYTES ? `is longer than ${MAX_URL_BYTES} bytes` : null
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
