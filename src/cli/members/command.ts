import { command } from '../command.ts'
import { membersFlags } from './flags.ts'

export const members = command({
  name: 'members',
  args: ['[CHANGE]', '[WHICH]', '[BY]'],
  usage: '[add HOST:PORT | remove ID | replace ID HOST:PORT] [options]',
  summary: 'Prints who takes part, or changes it: adds a replica, removes one, or replaces one in a single step.',
  flags: membersFlags,
  notes: [
    'HOST:PORT is where the members reach the new replica: one that was started with --join, on an empty directory.',
    'The replica that is asked (--url) makes the change. A majority of the old members decides; then all members begin',
    'the next epoch. It takes as long as the new replica needs for the state. Ids are never used twice. A removed',
    'replica ends by itself, with exit code 5, when the others do not need it any more: do not stop it before.',
    'Exit codes: 0 done, 1 such a change cannot be, 2 wrong usage, 3 outcome unknown (`epaxos members` tells), or the',
    'output could not be written, 4 no replica reached, or refused (certainly not done).',
  ].join('\n'),
  examples: [
    ['epaxos members', 'the epoch, and each member: id, address, client URL, and whether it is up'],
    ['epaxos members add d:7100', 'a fourth member'],
    ['epaxos members replace 2 d:7100', 'in the place of a replica whose disk is lost'],
    ['epaxos members remove 0 --url http://b:7000', 'asks another one than the one that goes'],
  ],
  run: async (given) => (await import('./run.ts')).runMembers(given),
})
