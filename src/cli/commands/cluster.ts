import { command } from '../command.ts'
import { commonFlags, logLevels } from '../replica/flags.ts'
import { choice, integer, text, wrong } from '../settings/flag.ts'

const PORTS = { min: 1, max: 65_535 }

export const clusterFlags = {
  replicas: integer('N', 'how many', { min: 1, max: 9 }, 3),
  clientPort: integer('PORT', "the first replica's port for clients; the others count up", PORTS, 7001),
  peerPort: integer('PORT', "the first replica's port for the others; these count up", PORTS, 7101),
  data: text('DIR', 'the data directories are DIR/0, DIR/1, …', './data'),
  ...commonFlags,
  logLevel: choice(logLevels, 'the least that the replicas log, on stderr', 'warn'),
} as const

export const cluster = command({
  name: 'cluster',
  usage: '',
  summary: 'Runs a whole cluster on this machine, one process for each replica, until Ctrl-C.',
  flags: clusterFlags,
  notes: [
    'Prints how each replica is started alone, and a line that begins with `ready` when all of them answer clients.',
    'A replica that dies is reported and not started again. The replicas stop when this process ends, however it ends,',
    'and when it has something to print that nobody reads any more; a replica that was started alone goes on.',
  ].join('\n'),
  examples: [
    ['epaxos cluster', 'three replicas on ports 7001 to 7003, data in ./data'],
    ['epaxos cluster --replicas 5 --durability memory', 'five that forget everything when they stop'],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../cluster/run.ts')).runCluster(given)
  },
})
