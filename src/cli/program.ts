import { readFileSync } from 'node:fs'
import { CommanderError, Command as Parser } from 'commander'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Command, parserOf, quiet, UsageError } from './command.ts'
import { loadAll, loadCommands } from './commands.ts'
import { Exit } from './exit-codes.ts'
import { complain } from './process/complain.ts'
import { exitCodeAfterOutput, watchOutput } from './process/output.ts'
import { wasAskedToStop } from './process/stop.ts'
import { type Arguments, shielded } from './settings/arguments.ts'
import { PREFIX, variableName, wrong } from './settings/flag.ts'
import { isUnreadable, readSettings, UNREADABLE } from './settings/read.ts'

const HELP = 'epaxos --help'

/** Runs the command line; resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput()
  const code = await exitCodeAfterOutput(await run(args))
  // A command that was asked to stop has stopped what it started; whatever is still in progress is given up.
  if (wasAskedToStop()) process.exit(code)
  return code
}

async function run(args: readonly string[]): Promise<number> {
  let code: number = Exit.done
  const program = programOf(await loadCommands(args[0]), async (command, given) => {
    code = await runCommand(command, given)
  })
  try {
    if (args.length === 0) throw new UsageError(`no command\n\n${program.helpInformation().trimEnd()}`, HELP)
    if (args[0] === '--version' && args.length > 1) throw new UsageError(`unexpected argument ${args[1]}`, HELP)
    await program.parseAsync(shielded(args), { from: 'user' })
    return code
  } catch (error) {
    // The help or the version was printed.
    if (error instanceof CommanderError) return Exit.done
    if (!(error instanceof UsageError)) throw error
    complain(`${error.message}\n(${error.help} says what there is)`)
    return Exit.usage
  }
}

function programOf(
  commands: readonly Command[],
  run: (command: Command, given: () => Arguments) => Promise<void>,
): Parser {
  const program = quiet(new Parser('epaxos'), HELP)
    .usage('COMMAND [options]')
    .description('A leaderless replicated state machine: any replica takes reads and writes.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this text')
    .helpCommand(false)
    .enablePositionalOptions()
  for (const command of commands) {
    program.addCommand(
      parserOf(command, (given) => run(command, given)),
      { hidden: command.internal === true },
    )
  }
  return program.addCommand(helpCommand(program)).addHelpText('after', '\n`epaxos COMMAND --help` describes a command.')
}

/** `epaxos help`, and `epaxos help COMMAND`. */
function helpCommand(program: Parser): Parser {
  const parser = quiet(new Parser('help'), HELP).summary('prints this text, or that of a command').argument('[COMMAND]')
  return parser.action((word: string | undefined) => {
    const command = word === undefined ? program : program.commands.find((one) => one.name() === word)
    if (command === undefined) throw new UsageError(`unknown command ${word}`, HELP)
    command.help()
  })
}

async function runCommand(command: Command, args: () => Arguments): Promise<number> {
  try {
    const given = readSettings(command.flags, args(), process.env, await variables(command))
    checkPositionals(command.args ?? [], given.positionals)
    if (command.logs !== true) for (const warning of given.warnings) complain(warning)
    return await command.run(given)
  } catch (error) {
    if (!(error instanceof EpaxosError) || error.code !== ErrorCode.configuration) throw error
    throw new UsageError(error.message, `epaxos ${command.name} --help`)
  }
}

/** Throws an `EpaxosError` with code `configuration`. Commander has checked that none is missing. */
function checkPositionals(names: readonly string[], positionals: readonly string[]): void {
  if (positionals.length > names.length) throw wrong(`unexpected argument ${positionals[names.length]}`)
  // Node.js replaces bytes that are not UTF-8 by U+FFFD, which would make two different keys equal.
  const at = positionals.findIndex(isUnreadable)
  if (at >= 0) throw wrong(`argument ${at + 1} (${names[at]?.slice(1, -1)}) ${UNREADABLE}`)
}

/** The variables of all commands, because one environment serves them all; loads them only if there is another one. */
async function variables(command: Command): Promise<Set<string>> {
  const own = new Set(Object.keys(command.flags).map(variableName))
  const isOwn = Object.keys(process.env).every((name) => !name.startsWith(PREFIX) || own.has(name))
  if (isOwn) return own
  const all = (await loadAll()).filter(({ internal }) => internal !== true)
  return new Set(all.flatMap(({ flags }) => Object.keys(flags).map(variableName)))
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
