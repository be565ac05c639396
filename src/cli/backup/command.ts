import { command } from '../command.ts'
import { backupFlags } from './flags.ts'

export const backup = command({
  name: 'backup',
  args: ['<FILE>'],
  summary: 'Writes the state of a running cluster into a file that does not exist yet.',
  flags: backupFlags,
  notes: [
    'The backup is the state as of one point: it has everything that was answered by any replica before the command',
    'began. The replica goes on meanwhile; it takes a checkpoint first. FILE gets its name when all of it is written,',
    'checked and synced; a command that is killed leaves a file beside it whose name begins with .unfinished-.',
    'A copy of a data directory is no backup.',
    'Exit codes: 0 done, 1 asked to stop, 2 wrong usage, 3 FILE exists, 4 no replica answers, or FILE cannot be',
    'written.',
  ].join('\n'),
  examples: [
    ['epaxos backup monday.backup', 'the state of the cluster on this machine'],
    ['epaxos backup monday.backup --url http://b:7000 --secret-file secret', 'of a cluster elsewhere'],
  ],
  run: async (given) => (await import('./run.ts')).runBackup(given),
})
