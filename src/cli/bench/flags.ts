import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../machine/commands.ts'
import { choice, decimal, integer, list, text, toggle } from '../settings/flag.ts'
import { secretFlags } from '../settings/secret.ts'
import { MIN_KEY_BYTES } from './commands.ts'

export const benchFlags = {
  url: list('URL', 'a running replica; repeat it for more. Without it, bench starts its own cluster'),
  pid: list('PID,…', 'with --url: the processes whose CPU time to measure'),
  replicas: integer('N', 'replicas of its own cluster', { min: 1, max: 9 }, 3),
  durability: choice(['fsync', 'memory'], 'durability of its own cluster', 'fsync'),
  engine: choice(['wasm', 'reference'], 'engine of its own cluster', 'wasm'),
  server: choice(['uws', 'node'], 'server of its own cluster; by default uws if its binary loads'),
  data: text('DIR', 'data folder of its own cluster, removed at the end; by default in the temporary folder'),
  outstanding: integer('N', 'commands in flight at each replica', { min: 1, max: 100_000 }, 1000),
  conflicts: decimal('PERCENT', 'percentage of commands that all write one key', { min: 0, max: 100 }, 0),
  reads: decimal('PERCENT', 'percentage of the commands in flight that read', { min: 0, max: 100 }, 0),
  readsBy: choice(['linearizable', 'log', 'stale'], 'how reads are answered: log is through the log', 'linearizable'),
  keySize: integer('BYTES', 'size of each key', { min: MIN_KEY_BYTES, max: MAX_KEY_BYTES }, 8),
  valueSize: integer('BYTES', 'size of each value', { min: 0, max: MAX_VALUE_BYTES }, 8),
  sessions: toggle('use sessions: each command is done once, however often it is sent', true),
  warmup: decimal('SECONDS', 'time before counting begins', { min: 0, max: 3600 }, 2),
  seconds: decimal('SECONDS', 'time to measure', { min: 0.1, max: 86_400 }, 5),
  json: toggle('print one JSON object instead of text'),
  ...secretFlags,
} as const
