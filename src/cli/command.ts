import { Command as Parser } from 'commander'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Arguments, addFlags, usageError } from './settings/arguments.ts'
import { type Flags, variableName } from './settings/flag.ts'
import type { Given } from './settings/read.ts'

/** One word after `epaxos`. */
export interface Command<F extends Flags = Flags> {
  readonly name: string
  /** Its arguments, as commander writes them: `<REQUIRED>`, `[OPTIONAL]`. */
  readonly args?: readonly string[]
  /** What the help shows after the name, if not the arguments. */
  readonly usage?: string
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

/** A command line that cannot be run; `help` is the command line that shows what can. */
export class UsageError extends EpaxosError {
  readonly help: string

  constructor(message: string, help: string) {
    super(ErrorCode.configuration, message)
    this.help = help
  }
}

/** The command for commander, which calls `run` with a function that says what the command line holds. */
export function parserOf(definition: Command, run: (given: () => Arguments) => Promise<void>): Parser {
  const { name, args = [], usage, summary, flags } = definition
  const parser = quiet(new Parser(name), `epaxos ${name} --help`)
  parser.summary(summary).description(summary).helpOption('-h, --help', 'print this text')
  for (const arg of args) parser.argument(arg)
  if (usage !== undefined) parser.usage(usage)
  const given = addFlags(parser, flags)
  return parser
    .addHelpText('after', () => textAfter(definition))
    .allowExcessArguments()
    .action(() => run(given))
}

/** Throws instead of writing errors and ending the process. */
export function quiet(parser: Parser, help: string): Parser {
  return parser.configureOutput({ writeErr: () => {} }).exitOverride((error) => {
    if (error.exitCode === 0) throw error
    throw new UsageError(usageError(error).message, help)
  })
}

function textAfter({ flags, notes, examples }: Command): string {
  const first = Object.entries(flags).find(([, { hidden }]) => !hidden)?.[0]
  const order = `A flag overrides its environment variable (${variableName(first ?? '')}, …), which overrides the file.`
  return [
    ...(first === undefined ? [] : ['', order]),
    ...(notes === undefined ? [] : ['', notes]),
    ...(examples.length === 0 ? [] : ['', 'Examples:']),
    ...examples.flatMap(([line, does]) => [`  ${line}`, `      ${does}`]),
  ].join('\n')
}
