import { command } from '../command.ts'
import { choice, integer, text, wrong } from '../settings/flag.ts'

export const demoFlags = {
  commands: integer('N', 'how many, over all three', { min: 1000, max: 100_000 }, 1500),
  outstanding: integer('N', 'how many each process has under way', { min: 1, max: 1000 }, 8),
  durability: choice(['fsync', 'memory'], 'memory: nobody is killed', 'fsync'),
  engine: choice(['wasm', 'reference'], 'of all three', 'wasm'),
  data: text('DIR', 'keeps data directories and transcripts there; by default they are removed at the end'),
} as const

export const demo = command({
  name: 'demo',
  usage: '',
  summary:
    'Three processes propose lines that all conflict; one is killed and comes back; all print the same transcript.',
  flags: demoFlags,
  notes: 'Exit codes: 0 the transcripts are equal and nothing is missing, 1 they are not, 2 wrong usage.',
  examples: [
    ['epaxos demo', 'a few seconds'],
    ['epaxos demo --commands 10000 --data /tmp/demo', 'more of it, to look at afterwards'],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../demo/run.ts')).runDemo(given.settings)
  },
})

export const demoReplicaFlags = {
  id: integer('I', 'which one it is', { min: 0 }, 0),
  peers: text('HOST:PORT,…', 'of all three', ''),
  data: text('DIR', 'the data directory', ''),
  transcript: text('FILE', 'where it prints', ''),
  durability: demoFlags.durability,
  engine: demoFlags.engine,
} as const

/** One of the three replicas; not for users. */
export const demoReplica = command({
  name: 'demo-replica',
  usage: '',
  summary: 'One process of the demo, started by it.',
  internal: true,
  flags: demoReplicaFlags,
  examples: [],
  run: async (given) => (await import('../demo/replica.ts')).runDemoReplica(given.settings),
})
