import { command } from '../command.ts'
import { restoreFlags } from './flags.ts'

export const restore = command({
  name: 'restore',
  args: ['<FILE>'],
  usage: '<FILE> --data DIR --id I --replicas N [--cluster NAME] [--from-survivor DIR]',
  summary: 'Makes the data directory of a member of a new cluster, which begins with the state of a backup.',
  flags: restoreFlags,
  notes: [
    'Run it once for each member of the new cluster, on its machine, with a copy of the SAME file; then start the',
    'members with `epaxos replica`. They found the cluster when all of them are up, and only if all were restored from',
    'the same file. The new cluster has another cluster id: replicas and clients of the old one are refused.',
    '',
    '--from-survivor is for a cluster that lost its majority for good: it makes FILE, which must not exist, from the',
    'directory of a replica that is stopped, and says what may be lost. Make sure that no other replica of the old',
    'cluster will ever run again. Without --data that is all it does.',
    'Exit codes: 0 done, 2 wrong usage, 3 FILE is no backup or of another version, a directory is in use, not empty or',
    'foreign, or FILE exists; 4 FILE is damaged, or the disk cannot be read, is full, or cannot be written.',
  ].join('\n'),
  examples: [
    ['epaxos restore monday.backup --data ./data/0 --id 0 --replicas 3', 'the first of three'],
    ['epaxos restore last.backup --from-survivor ./data/1', 'a backup from the last replica that is left'],
  ],
  run: async (given) => (await import('./run.ts')).runRestore(given),
})
