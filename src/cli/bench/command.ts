import { command } from '../command.ts'
import { benchFlags } from './flags.ts'

export const bench = command({
  name: 'bench',
  summary: 'Measures a cluster with puts, in a closed loop over WebSockets; replicas answer after execution.',
  flags: benchFlags,
  notes: 'Exit codes: 0 measured, 1 commands were refused or not answered, 2 wrong usage, 4 no replica reached.',
  examples: [
    ['epaxos bench', 'three replicas with disks, 1000 commands in flight at each'],
    ['epaxos bench --outstanding 1 --durability memory', 'latency, without disks'],
    [
      'epaxos bench --url http://127.0.0.1:7001 --url http://127.0.0.1:7002 --conflicts 100',
      'two replicas that are already running',
    ],
  ],
  run: async (given) => (await import('./run.ts')).runBench(given),
})
