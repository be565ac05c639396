import { CommandError } from '../../errors.ts'
import { type Command, command } from '../command.ts'
import { CommandExit, commandExit } from '../exit-codes.ts'
import { type Answer, ask, type Target } from '../http/ask.ts'
import { complain } from '../process/complain.ts'
import { integer, text, wrong } from '../settings/flag.ts'
import { readSecret, secretFlags } from '../settings/secret.ts'

const DEFAULT_URL = 'http://127.0.0.1:7001'

export const askingFlags = {
  url: text('URL', 'the replica to ask', DEFAULT_URL),
  ...secretFlags,
  timeoutMs: integer('MS', 'time to wait for the answer', { min: 1, max: 3_600_000 }, 10_000),
} as const

const NOTES = [
  'Exit codes: 0 done, 1 not found or condition not met, 2 wrong usage, 3 outcome unknown (it may be done),',
  'or the output could not be written, 4 no replica reached, or refused (certainly not done).',
].join('\n')

/** One command against one replica, over HTTP. */
interface KeyCommand {
  readonly name: string
  readonly usage: string
  readonly summary: string
  /** The minimum and maximum number of arguments. */
  readonly arity: readonly [number, number]
  readonly example: readonly [string, string]
  /** Resolves with the answer to one request. */
  readonly request: (target: Target, args: readonly string[]) => Promise<Answer>
  /** What to print for an answer; null for nothing. */
  readonly print?: (answer: Answer) => Uint8Array | null
  /** Whether an answer with status 200 says that the condition was not met. */
  readonly isUnmet?: (answer: Answer) => boolean
}

export const put = keyCommand({
  name: 'put',
  usage: 'KEY VALUE',
  summary: 'Sets a key to a value.',
  arity: [2, 2],
  example: ['epaxos put greeting hello', 'succeeds when a majority has it on disk'],
  request: (target, [key, value]) => ask(target, 'PUT', pathOf(key), value),
})

export const get = keyCommand({
  name: 'get',
  usage: 'KEY',
  summary: 'Prints the value of a key, and a newline.',
  arity: [1, 1],
  example: ['epaxos get greeting --url http://127.0.0.1:7002', 'the latest value, from another replica'],
  request: (target, [key]) => ask(target, 'GET', pathOf(key)),
  print: ({ body }) => body,
})

export const del = keyCommand({
  name: 'del',
  usage: 'KEY',
  summary: 'Deletes a key.',
  arity: [1, 1],
  example: ['epaxos del greeting', 'exits with 1 if there was none'],
  request: (target, [key]) => ask(target, 'DELETE', pathOf(key)),
})

export const incr = keyCommand({
  name: 'incr',
  usage: 'KEY [STEP]',
  summary: 'Adds a step, 1 by default, to a counter, and prints the new number; an absent key counts as 0.',
  arity: [1, 2],
  example: ['epaxos incr visits -5', 'five less'],
  request: (target, [key, step = '1']) => ask(target, 'POST', `${pathOf(key)}/increment`, checkedStep(step)),
  print: ({ body }) => body,
})

export const cas = keyCommand({
  name: 'cas',
  usage: 'KEY OLD NEW',
  summary: 'Sets a key to NEW if its value is OLD.',
  arity: [3, 3],
  example: ['epaxos cas greeting hello goodbye', 'exits with 1 if the key has another value, or none'],
  request: (target, [key = '', old, value]) => {
    const transaction = { if: [{ key, equals: old }], then: [{ put: key, value }] }
    return ask(target, 'POST', '/transaction', JSON.stringify(transaction))
  },
  isUnmet: ({ body }) => (JSON.parse(new TextDecoder().decode(body)) as { succeeded: boolean }).succeeded === false,
})

function keyCommand({ name, usage, summary, arity, example, request, print, isUnmet }: KeyCommand): Command {
  return command({
    name,
    usage,
    summary,
    flags: askingFlags,
    notes: NOTES,
    examples: [example, [`epaxos ${name} -- ${usage}`, 'for arguments that begin with a dash']],
    run: async (given) => {
      const { positionals } = given
      if (positionals.length < arity[0] || positionals.length > arity[1]) throw wrong(`${name} takes ${usage}`)
      const target = targetOf(given)
      try {
        const answer = await request(target, positionals)
        if (answer.status >= 300) return refused(name, answer)
        if (isUnmet?.(answer) === true) return unmet(name)
        const printed = print?.(answer) ?? null
        if (printed !== null) process.stdout.write(Buffer.concat([printed, Buffer.from('\n')]))
        return CommandExit.done
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        complain(error.message)
        return error.outcome === 'unknown' ? CommandExit.unknown : CommandExit.refused
      }
    },
  })
}

/** Which replica to ask, and with which settings. Throws an `EpaxosError` with code `configuration`. */
export function targetOf(
  given: Parameters<typeof readSecret>[0] & { readonly settings: { readonly url: string; readonly timeoutMs: number } },
): Target {
  const { url, timeoutMs } = given.settings
  const secret = readSecret(given)
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/.test(url) || !URL.canParse(url)) throw wrong(`not a URL http://HOST:PORT: ${url}`)
  return { url, timeoutMs, ...(secret === undefined ? {} : { secret }) }
}

function pathOf(key = ''): string {
  if (key === '') throw wrong('a key has at least 1 byte')
  return `/kv/${encodeURIComponent(key)}`
}

function checkedStep(step: string): string {
  if (/^-?\d+$/.test(step) && Number.isSafeInteger(Number(step))) return step
  throw wrong(`a step is a whole number within ±(2⁵³−1), not ${step}`)
}

function unmet(name: string): number {
  complain(`${name}: the condition is not met`)
  return CommandExit.unmet
}

function refused(name: string, { status, message }: Answer): number {
  complain(`${name}: ${message}`)
  return commandExit(status)
}
