import { EpaxosError, ErrorCode } from '../../errors.ts'

/**
 * One setting of a command, and how it is read. A flag named `requestTimeoutMs` here is `--request-timeout-ms 500` on
 * the command line, `EPAXOS_REQUEST_TIMEOUT_MS=500` in the environment and `"requestTimeoutMs": 500` in a file.
 */
export interface Flag<T> {
  /** Stands for the value in the help; empty for a switch, which has no value. */
  readonly placeholder: string
  readonly help: string
  /** The value if nobody sets it. */
  readonly fallback: T
  /** May be given more than once on the command line. */
  readonly repeatable: boolean
  /** Not allowed on the command line, where everybody on the machine could read it. */
  readonly hidden: boolean
  /** The type that a file may hold besides a string: JSON's `1.10` is not text. */
  readonly json: 'string' | 'number' | 'boolean'
  /** Throws an `EpaxosError` with code `configuration` that says what is wrong with the text. */
  parse(texts: readonly string[]): T
}

export type Flags = Readonly<Record<string, Flag<unknown>>>
export type Settings<F extends Flags> = { readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never }

export function wrong(message: string): EpaxosError {
  return new EpaxosError(ErrorCode.configuration, message)
}

function flag<T>(placeholder: string, help: string, fallback: T, parse: (text: string) => T): Flag<T> {
  const one = { placeholder, help, fallback, repeatable: false, hidden: false, json: 'string' } as const
  return { ...one, parse: ([text = '']) => parse(text) }
}

export function text(placeholder: string, help: string): Flag<string | undefined>
export function text(placeholder: string, help: string, fallback: string): Flag<string>
export function text(placeholder: string, help: string, fallback?: string): Flag<string | undefined> {
  return flag(placeholder, help, fallback, (value) => {
    if (value === '') throw wrong('must not be empty')
    return value
  })
}

/** Like {@link text}, but not a flag and never shown. */
export function secretText(help: string): Flag<string | undefined> {
  return { ...text('', help), hidden: true }
}

export function choice<const T extends string>(choices: readonly T[], help: string): Flag<T | undefined>
export function choice<const T extends string>(choices: readonly T[], help: string, fallback: T): Flag<T>
export function choice<const T extends string>(choices: readonly T[], help: string, fallback?: T): Flag<T | undefined> {
  return flag<T | undefined>(choices.join('|'), help, fallback, (value) => {
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw wrong(`is ${choices.join(' or ')}, not ${shown(value)}`)
    return found
  })
}

export interface Range {
  readonly min: number
  readonly max?: number
}

/** A whole number within the range. */
export function integer(placeholder: string, help: string, range: Range): Flag<number | undefined>
export function integer(placeholder: string, help: string, range: Range, fallback: number): Flag<number>
export function integer(
  placeholder: string,
  help: string,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
  fallback?: number,
): Flag<number | undefined> {
  const parse = (value: string) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw wrong(`is a whole number ${range}, not ${shown(value)}`)
  }
  return { ...flag<number | undefined>(placeholder, help, fallback, parse), json: 'number' }
}

/** A number with a fraction, within the range. */
export function decimal(
  placeholder: string,
  help: string,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
  fallback: number,
): Flag<number> {
  const parse = (value: string) => {
    const number = /^\d{1,16}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw wrong(`is a number from ${min} to ${max}, not ${shown(value)}`)
  }
  return { ...flag(placeholder, help, fallback, parse), json: 'number' }
}

/** On or off; `--no-NAME` turns off what is on by default. */
export function toggle(help: string, fallback = false): Flag<boolean> {
  const parse = (value: string) => {
    if (value !== 'true' && value !== 'false') throw wrong(`is true or false, not ${shown(value)}`)
    return value === 'true'
  }
  return { ...flag('', help, fallback, parse), json: 'boolean' }
}

/** Several values, separated by commas or given by repeating the flag. */
export function list(placeholder: string, help: string): Flag<readonly string[]> {
  return {
    placeholder,
    help,
    fallback: [],
    repeatable: true,
    hidden: false,
    json: 'string',
    parse: (texts) => {
      const values = texts.flatMap((value) => value.split(','))
      if (values.includes('')) throw wrong('has an empty element')
      return values
    },
  }
}

/** Adds quotes if the value would otherwise be invisible. */
function shown(value: string): string {
  return /^[!-~]+$/.test(value) ? value : JSON.stringify(value)
}

/** `requestTimeoutMs` → `request-timeout-ms`. */
export function flagName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** Of all our environment variables. */
export const PREFIX = 'EPAXOS_'

/** `requestTimeoutMs` → `EPAXOS_REQUEST_TIMEOUT_MS`. */
export function variableName(name: string): string {
  return `${PREFIX}${flagName(name).replaceAll('-', '_').toUpperCase()}`
}
