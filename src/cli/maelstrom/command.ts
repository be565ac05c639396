import { command } from '../command.ts'
import { maelstromFlags } from './flags.ts'

export const maelstrom = command({
  name: 'maelstrom',
  summary: 'One node for Maelstrom, on stdin and stdout: workloads lin-kv, txn-rw-register and txn-list-append.',
  flags: maelstromFlags,
  notes: 'It keeps nothing on disk. Exit codes: 0 stopped, 1 an invariant broke, 2 wrong usage.',
  examples: [
    [
      'maelstrom test -w lin-kv --bin ./node --node-count 3 --time-limit 30 --nemesis partition',
      'with a script ./node that runs: exec epaxos maelstrom',
    ],
  ],
  run: async (given) => (await import('./run.ts')).runMaelstrom(given.settings),
})
