import { CommandError } from '../../errors.ts'
import { CommandExit, commandExit } from '../exit-codes.ts'
import { type Answer, ask, type Target } from '../http/ask.ts'
import { type askingFlags, targetOf } from '../http/target.ts'
import { complain } from '../process/complain.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'

interface KeyCommand {
  /** Resolves with the answer to one request. */
  readonly request: (target: Target, args: readonly string[]) => Promise<Answer>
  /** Whether the body of an answer is printed, and a newline. */
  readonly prints?: boolean
  /** Whether an answer with status 200 says that the condition was not met. */
  readonly isUnmet?: (answer: Answer) => boolean
}

const COMMANDS = {
  put: { request: (target, [key, value]) => ask(target, 'PUT', pathOf(key), value) },
  get: { request: (target, [key]) => ask(target, 'GET', pathOf(key)), prints: true },
  del: { request: (target, [key]) => ask(target, 'DELETE', pathOf(key)) },
  incr: {
    request: (target, [key, step = '1']) => ask(target, 'POST', `${pathOf(key)}/increment`, checkedStep(step)),
    prints: true,
  },
  cas: {
    request: (target, [key = '', old, value]) => {
      const transaction = { if: [{ key, equals: old }], then: [{ put: key, value }] }
      return ask(target, 'POST', '/transaction', JSON.stringify(transaction))
    },
    isUnmet: ({ body }) => (JSON.parse(new TextDecoder().decode(body)) as { succeeded: boolean }).succeeded === false,
  },
} as const satisfies Readonly<Record<string, KeyCommand>>

export type KeyCommandName = keyof typeof COMMANDS

/** Resolves with the exit code. Rejects with an `EpaxosError` with code `configuration` if an argument is wrong. */
export async function runKeyCommand(name: KeyCommandName, given: Given<typeof askingFlags>): Promise<number> {
  const { request, prints, isUnmet }: KeyCommand = COMMANDS[name]
  const target = targetOf(given)
  try {
    const answer = await request(target, given.positionals)
    if (answer.status >= 300) return refused(name, answer)
    if (isUnmet?.(answer) === true) return unmet(name)
    if (prints === true) process.stdout.write(Buffer.concat([answer.body, Buffer.from('\n')]))
    return CommandExit.done
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    complain(error.message)
    return error.outcome === 'unknown' ? CommandExit.unknown : CommandExit.refused
  }
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
