import { command } from '../command.ts'
import { inspectFlags } from './flags.ts'

export const inspect = command({
  name: 'inspect',
  args: ['<DIR|FILE>'],
  summary: 'Tells what is in a data directory or a backup, and reads all of it for damage. It changes nothing.',
  flags: inspectFlags,
  notes: [
    'Works while a replica uses the directory; the report is then as of some moment, and space that the replica frees',
    'meanwhile is used again only afterwards.',
    'Exit codes: 0 nothing is damaged, 1 something is, 2 wrong usage, 3 no data directory and no backup, or of',
    'another version, 4 it cannot be read.',
  ].join('\n'),
  examples: [
    ['epaxos inspect ./data/0', 'identity, journal, checkpoints and damage'],
    ['epaxos inspect monday.backup', 'where it comes from, its digest, and whether all of it is undamaged'],
  ],
  run: async (given) => (await import('./run.ts')).runInspect(given),
})
