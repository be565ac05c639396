import type { Consistency } from '../codec/client-messages.ts'
import { EpaxosError, ErrorCode } from '../errors.ts'
import type { GroupOptions } from '../execution/groups.ts'

const SESSION = /^[\x21-\x7e]{1,64}$/
const NUMBER = /^(0|[1-9]\d{0,15})$/

/**
 * The session and request number of a write; undefined if it has none. Throws an `EpaxosError` with code `malformed`
 * for headers that do not belong together.
 */
export function sessionOf(header: (name: string) => string): GroupOptions | undefined {
  const session = header('epaxos-session')
  const request = header('epaxos-request')
  const acknowledgement = header('epaxos-acknowledged')
  if (session === '') {
    if (request === '' && acknowledgement === '') return undefined
    throw malformed('Epaxos-Request and Epaxos-Acknowledged need Epaxos-Session')
  }
  if (!SESSION.test(session)) throw malformed('Epaxos-Session has 1 to 64 visible ASCII characters')
  const first = wholeNumber('Epaxos-Request', request)
  const acknowledged = acknowledgement === '' ? 0 : wholeNumber('Epaxos-Acknowledged', acknowledgement)
  if (first < 1) throw malformed('Epaxos-Request counts from 1')
  if (acknowledged >= first) throw malformed('Epaxos-Acknowledged is below Epaxos-Request')
  return { session, first, acknowledged }
}

/** The token of a `min` read; empty for any other request. Throws `malformed` if it is missing, or not wanted. */
export function minOf(header: (name: string) => string, consistency: Consistency): string {
  const token = header('epaxos-token')
  if ((token !== '') === (consistency === 'min')) return token
  throw malformed('Epaxos-Token belongs to consistency=min')
}

function wholeNumber(name: string, text: string): number {
  const number = NUMBER.test(text) ? Number(text) : Number.NaN
  if (!(number < Number.MAX_SAFE_INTEGER)) throw malformed(`${name} is a whole number below 2^53`)
  return number
}

function malformed(message: string): EpaxosError {
  return new EpaxosError(ErrorCode.malformed, message)
}
