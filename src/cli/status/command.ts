import { command } from '../command.ts'
import { statusFlags } from './flags.ts'

export const status = command({
  name: 'status',
  summary: 'Prints the status of one replica, and of the others that it names.',
  flags: statusFlags,
  notes: 'Exit codes: 0 done, 2 wrong usage, 4 the replica cannot be reached.',
  examples: [
    ['epaxos status', 'a table'],
    ['epaxos status --no-learn', 'only this replica: the secret goes to no URL that a replica names'],
    ['epaxos status --json --url http://127.0.0.1:7002', 'the answer of each replica to GET /status'],
  ],
  run: async (given) => (await import('./run.ts')).runStatus(given),
})
