import { type Flags, flagName, variableName } from './settings/flag.ts'
import type { Given } from './settings/read.ts'

/** One word after `epaxos`. */
export interface Command<F extends Flags = Flags> {
  readonly name: string
  /** The names of the positional arguments, as the help shows them. */
  readonly usage: string
  readonly summary: string
  readonly flags: F
  /** Whole command lines, and what each does. */
  readonly examples: readonly (readonly [line: string, does: string])[]
  /** More text for the help, below the flags. */
  readonly notes?: string
  /** Started by other commands only, and not listed. */
  readonly internal?: boolean
  /** Standard error is its log, one JSON object per line. The command itself logs the warnings of {@link Given}. */
  readonly logs?: boolean
  /** Resolves with the exit code. Errors with the code `configuration` are the caller's fault. */
  run(given: Given<F>): Promise<number>
}

/** Infers the type of `run`'s argument. */
export function command<const F extends Flags>(definition: Command<F>): Command {
  return definition as unknown as Command
}

/** The output of a command's `--help`. */
export function helpOf({ name, usage, summary, flags, examples, notes }: Command): string {
  const rows = Object.entries(flags).filter(([, { hidden }]) => !hidden)
  const left = rows.map(([flag, { placeholder }]) => `--${flagName(flag)} ${placeholder}`.trimEnd())
  left.push('--config FILE', '--help')
  const right = rows.map(([, flag]) => `${flag.help}${fallbackOf(flag.fallback)}`)
  right.push('a JSON object with any of these settings, by name', 'print this text')
  const first = rows[0]?.[0]
  return [
    `epaxos ${name} ${usage}`.trimEnd(),
    '',
    summary,
    '',
    'Flags:',
    ...columns(left, right),
    '',
    ...(first === undefined
      ? []
      : [`A flag overrides its environment variable (${variableName(first)}, …), which overrides the file.`, '']),
    ...(notes === undefined ? [] : [notes, '']),
    'Examples:',
    ...examples.flatMap(([line, does]) => [`  ${line}`, `      ${does}`]),
    '',
  ].join('\n')
}

/** The output of `epaxos --help`. */
export function overview(all: readonly Command[]): string {
  const commands = all.filter(({ internal }) => internal !== true)
  return [
    'epaxos COMMAND [FLAGS]',
    '',
    'A leaderless replicated state machine: any replica takes reads and writes.',
    '',
    'Commands:',
    ...columns(
      commands.map(({ name, usage }) => `${name} ${usage}`.trimEnd()),
      commands.map(({ summary }) => summary),
    ),
    '',
    '`epaxos COMMAND --help` describes a command, `epaxos --version` prints the version.',
    '',
  ].join('\n')
}

function fallbackOf(fallback: unknown): string {
  if (fallback === undefined || fallback === false || (Array.isArray(fallback) && fallback.length === 0)) return ''
  return fallback === true ? ' (default on; --no-… turns it off)' : ` (default ${fallback})`
}

function columns(left: readonly string[], right: readonly string[]): string[] {
  const width = Math.max(...left.map(({ length }) => length))
  return left.map((text, i) => `  ${text.padEnd(width)}  ${right[i]}`.trimEnd())
}
