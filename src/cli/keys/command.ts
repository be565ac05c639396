import { type Command, command } from '../command.ts'
import { askingFlags } from '../http/target.ts'
import type { KeyCommandName } from './run.ts'

const NOTES = [
  'Exit codes: 0 done, 1 not found or condition not met, 2 wrong usage, 3 outcome unknown (it may be done),',
  'or the output could not be written, 4 no replica reached, or refused (certainly not done).',
].join('\n')

export const put = keyCommand('put', {
  args: ['<KEY>', '<VALUE>'],
  summary: 'Sets a key to a value.',
  example: ['epaxos put greeting hello', 'succeeds when a majority has it on disk'],
})

export const get = keyCommand('get', {
  args: ['<KEY>'],
  summary: 'Prints the value of a key, and a newline.',
  example: ['epaxos get greeting --url http://127.0.0.1:7002', 'the latest value, from another replica'],
})

export const del = keyCommand('del', {
  args: ['<KEY>'],
  summary: 'Deletes a key.',
  example: ['epaxos del greeting', 'exits with 1 if there was none'],
})

export const incr = keyCommand('incr', {
  args: ['<KEY>', '[STEP]'],
  summary: 'Adds a step, 1 by default, to a counter, and prints the new number; an absent key counts as 0.',
  example: ['epaxos incr visits -5', 'five less'],
})

export const cas = keyCommand('cas', {
  args: ['<KEY>', '<OLD>', '<NEW>'],
  summary: 'Sets a key to NEW if its value is OLD.',
  example: ['epaxos cas greeting hello goodbye', 'exits with 1 if the key has another value, or none'],
})

interface Description {
  readonly args: readonly string[]
  readonly summary: string
  readonly example: readonly [line: string, does: string]
}

/** One command against one replica, over HTTP. */
function keyCommand(name: KeyCommandName, { args, summary, example }: Description): Command {
  return command({
    name,
    args,
    summary,
    flags: askingFlags,
    notes: NOTES,
    examples: [
      example,
      [`epaxos ${name} -- ${args.join(' ').replaceAll(/[<>]/g, '')}`, 'for arguments that begin with a dash'],
    ],
    run: async (given) => (await import('./run.ts')).runKeyCommand(name, given),
  })
}
