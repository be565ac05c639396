import { command } from '../command.ts'
import { choice, integer, text, wrong } from '../settings/flag.ts'

export const demoFlags = {
  commands: integer('N', 'number of commands, over all three processes', { min: 1000, max: 100_000 }, 1500),
  outstanding: integer('N', 'commands in flight at each process', { min: 1, max: 1000 }, 8),
  durability: choice(['fsync', 'memory'], 'with memory no process is killed', 'fsync'),
  engine: choice(['wasm', 'reference'], 'engine of all three processes', 'wasm'),
  data: text('DIR', 'folder that keeps the data and the transcripts; by default they are removed at the end'),
} as const

export const demo = command({
  name: 'demo',
  usage: '',
  summary: 'Three processes propose conflicting lines; one is killed and comes back; all print the same transcript.',
  flags: demoFlags,
  notes: 'Exit codes: 0 the transcripts are equal and complete, 1 they are not, 2 wrong usage.',
  examples: [
    ['epaxos demo', 'a few seconds'],
    ['epaxos demo --commands 10000 --data /tmp/demo', 'more commands; the transcripts are kept'],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../demo/run.ts')).runDemo(given.settings)
  },
})

export const demoReplicaFlags = {
  id: integer('I', 'its id', { min: 0 }, 0),
  peers: text('HOST:PORT,…', 'peer addresses of all three', ''),
  data: text('DIR', 'the data directory', ''),
  transcript: text('FILE', 'the file for its transcript', ''),
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
