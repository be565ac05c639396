import { integer, text, wrong } from '../settings/flag.ts'
import { readSecret, secretFlags } from '../settings/secret.ts'
import type { Target } from './ask.ts'

const DEFAULT_URL = 'http://127.0.0.1:7001'

/** The settings of every command that asks a replica over HTTP. */
export const askingFlags = {
  url: text('URL', 'the replica to ask', DEFAULT_URL),
  ...secretFlags,
  timeoutMs: integer('MS', 'time to wait for the answer', { min: 1, max: 3_600_000 }, 10_000),
} as const

/** Which replica to ask, and with which settings. Throws an `EpaxosError` with code `configuration`. */
export function targetOf(
  given: Parameters<typeof readSecret>[0] & { readonly settings: { readonly url: string; readonly timeoutMs: number } },
): Target {
  const { url, timeoutMs } = given.settings
  const secret = readSecret(given)
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/.test(url) || !URL.canParse(url)) throw wrong(`not a URL http://HOST:PORT: ${url}`)
  return { url, timeoutMs, ...(secret === undefined ? {} : { secret }) }
}
