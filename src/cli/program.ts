import { readFileSync } from 'node:fs'
import { EpaxosError, ErrorCode } from '../errors.ts'
import { type Command, helpOf, overview } from './command.ts'
import { bench } from './commands/bench.ts'
import { cluster } from './commands/cluster.ts'
import { demo, demoReplica } from './commands/demo.ts'
import { cas, del, get, incr, put } from './commands/keys.ts'
import { maelstrom } from './commands/maelstrom.ts'
import { replica } from './commands/replica.ts'
import { status } from './commands/status.ts'
import { Exit } from './exit-codes.ts'
import { complain } from './process/complain.ts'
import { exitCodeAfterOutput, watchOutput } from './process/output.ts'
import { wasAskedToStop } from './process/stop.ts'
import { variableName, wrong } from './settings/flag.ts'
import { isUnreadable, readSettings, UNREADABLE } from './settings/read.ts'

const commands = [cluster, replica, put, get, del, incr, cas, status, demo, demoReplica, bench, maelstrom]

/** Runs the command line; resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput()
  const code = await exitCodeAfterOutput(await run(args))
  // A command that was asked to stop has stopped what it started; whatever is still in progress is given up.
  if (wasAskedToStop()) process.exit(code)
  return code
}

async function run([word, ...args]: readonly string[]): Promise<number> {
  if (word === undefined) return refuse(`no command\n\n${overview(commands)}`, 'epaxos --help')
  if (word === '--version') return args.length === 0 ? say(version()) : refuse(unexpected(args), 'epaxos --help')
  if (word === '--help' || word === 'help') return help(args)
  const command = commands.find(({ name }) => name === word)
  if (command === undefined) return refuse(`unknown command ${word}`, 'epaxos --help')
  if (asksForHelp(args)) return say(helpOf(command).trimEnd())
  return await runCommand(command, args)
}

/** The help of one command if it is named, otherwise the overview. */
function help([word, ...rest]: readonly string[]): number {
  const command = commands.find(({ name }) => name === word)
  if (rest.length > 0) return refuse(unexpected(rest), 'epaxos --help')
  if (word !== undefined && command === undefined) return refuse(`unknown command ${word}`, 'epaxos --help')
  return say((command === undefined ? overview(commands) : helpOf(command)).trimEnd())
}

function unexpected([arg]: readonly string[]): string {
  return `unexpected argument ${arg}`
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  try {
    const given = readSettings(command.flags, args, process.env, variables())
    checkReadable(command.usage, given.positionals)
    if (command.logs !== true) for (const warning of given.warnings) complain(warning)
    return await command.run(given)
  } catch (error) {
    if (!(error instanceof EpaxosError) || error.code !== ErrorCode.configuration) throw error
    return refuse(error.message, `epaxos ${command.name} --help`)
  }
}

/**
 * Node.js replaces bytes that are not UTF-8 by U+FFFD, which would make two different keys equal. Throws with code
 * `configuration`.
 */
function checkReadable(usage: string, positionals: readonly string[]): void {
  const names = usage.split(' ')
  const at = positionals.findIndex(isUnreadable)
  if (at < 0) return
  const name = names[at] === undefined ? '' : ` (${names[at]})`
  throw wrong(`argument ${at + 1}${name} ${UNREADABLE}`)
}

/** Only looks before a `--`; everything after it is an argument. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

/** The variables of all commands, because one environment serves them all. */
function variables(): Set<string> {
  return new Set(
    commands.filter(({ internal }) => internal !== true).flatMap(({ flags }) => Object.keys(flags).map(variableName)),
  )
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return Exit.done
}

function refuse(message: string, help: string): number {
  complain(`${message}\n(${help} says what there is)`)
  return Exit.usage
}
