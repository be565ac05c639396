#!/usr/bin/env node
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
import { variableName } from './settings/flag.ts'
import { readSettings } from './settings/read.ts'

const commands = [cluster, replica, put, get, del, incr, cas, status, demo, demoReplica, bench, maelstrom]

process.exitCode = await main(process.argv.slice(2))

async function main([word, ...args]: readonly string[]): Promise<number> {
  if (word === '--version') return say(version())
  if (word === '--help' || word === 'help' || word === undefined) {
    if (word === undefined) process.stderr.write(overview(commands))
    else say(overview(commands).trimEnd())
    return word === undefined ? Exit.usage : Exit.done
  }
  const command = commands.find(({ name }) => name === word)
  if (command === undefined) return refuse(`unknown command ${word}`, 'epaxos --help')
  if (asksForHelp(args)) return say(helpOf(command).trimEnd())
  return await runCommand(command, args)
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  try {
    return await command.run(readSettings(command.flags, args, process.env, variables()))
  } catch (error) {
    if (!(error instanceof EpaxosError) || error.code !== ErrorCode.configuration) throw error
    return refuse(error.message, `epaxos ${command.name} --help`)
  }
}

/** Before a `--`, behind which everything is an argument. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

/** Of all commands: one environment serves them all. */
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
  process.stderr.write(`epaxos: ${message}\n(${help} says what there is)\n`)
  return Exit.usage
}
