import { choice, integer, text } from '../settings/flag.ts'

export const demoFlags = {
  commands: integer('N', 'number of commands, over all three processes', { min: 1000, max: 100_000 }, 1500),
  outstanding: integer('N', 'commands in flight at each process', { min: 1, max: 1000 }, 8),
  durability: choice(['fsync', 'memory'], 'with memory no process is killed', 'fsync'),
  engine: choice(['wasm', 'reference'], 'engine of all three processes', 'wasm'),
  data: text('DIR', 'folder that keeps the data and the transcripts; by default they are removed at the end'),
} as const

export const demoReplicaFlags = {
  id: integer('I', 'its id', { min: 0 }, 0),
  peers: text('HOST:PORT,…', 'peer addresses of all three', ''),
  data: text('DIR', 'the data directory', ''),
  transcript: text('FILE', 'the file for its transcript', ''),
  durability: demoFlags.durability,
  engine: demoFlags.engine,
} as const
