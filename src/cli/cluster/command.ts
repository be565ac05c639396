import { command } from '../command.ts'
import { clusterFlags } from './flags.ts'

export const cluster = command({
  name: 'cluster',
  summary: 'Runs a whole cluster on this machine, one process per replica, until Ctrl-C.',
  flags: clusterFlags,
  notes: [
    'Prints the command line that starts each replica alone, and a line that begins with `ready` when all replicas',
    'answer clients. A replica that dies is reported, and not started again. The replicas stop when this process ends,',
    'however it ends, and when nobody reads its output any more. A replica that was started alone keeps running.',
  ].join('\n'),
  examples: [
    ['epaxos cluster', 'three replicas on ports 7001 to 7003, data in ./data'],
    ['epaxos cluster --replicas 5 --durability memory', 'five replicas that forget everything when they stop'],
  ],
  run: async (given) => (await import('./run.ts')).runCluster(given),
})
