import { command } from '../command.ts'
import { commonFlags, logLevels } from '../replica/flags.ts'
import { choice, integer, text, wrong } from '../settings/flag.ts'

const PORTS = { min: 1, max: 65_535 }

export const clusterFlags = {
  replicas: integer('N', 'number of replicas', { min: 1, max: 9 }, 3),
  clientPort: integer('PORT', 'client port of the first replica; the others count up', PORTS, 7001),
  peerPort: integer('PORT', 'peer port of the first replica; the others count up', PORTS, 7101),
  data: text('DIR', 'the data directories are DIR/0, DIR/1, …', './data'),
  ...commonFlags,
  logLevel: choice(logLevels, 'lowest level that the replicas log, on stderr', 'warn'),
} as const

export const cluster = command({
  name: 'cluster',
  usage: '',
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
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../cluster/run.ts')).runCluster(given)
  },
})
