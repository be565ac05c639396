import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../machine/commands.ts'
import { MIN_KEY_BYTES } from '../bench/commands.ts'
import { command } from '../command.ts'
import { choice, decimal, integer, list, text, toggle, wrong } from '../settings/flag.ts'
import { secretFlags } from '../settings/secret.ts'

export const benchFlags = {
  url: list('URL', 'a running replica; more than once for more. Without: a cluster of its own'),
  pid: list('PID,…', 'with --url: the processes whose CPU time is measured'),
  replicas: integer('N', 'of its own cluster', { min: 1, max: 9 }, 3),
  durability: choice(['fsync', 'memory'], 'of its own cluster', 'fsync'),
  engine: choice(['wasm', 'reference'], 'of its own cluster', 'wasm'),
  server: choice(['uws', 'node'], 'of its own cluster; by itself uws where its binary loads'),
  data: text(
    'DIR',
    'where its own cluster keeps its data, which is removed at the end; by default the temporary folder',
  ),
  outstanding: integer('N', 'commands under way at each replica', { min: 1, max: 100_000 }, 1000),
  conflicts: decimal('PERCENT', 'of the commands that all write one key', { min: 0, max: 100 }, 0),
  keySize: integer('BYTES', 'of each key', { min: MIN_KEY_BYTES, max: MAX_KEY_BYTES }, 8),
  valueSize: integer('BYTES', 'of each value', { min: 0, max: MAX_VALUE_BYTES }, 8),
  sessions: toggle('each command is done once, however often it is sent', true),
  warmup: decimal('SECONDS', 'before anything is counted', { min: 0, max: 3600 }, 2),
  seconds: decimal('SECONDS', 'of measuring', { min: 0.1, max: 86_400 }, 5),
  json: toggle('one JSON object instead of text'),
  ...secretFlags,
} as const

export const bench = command({
  name: 'bench',
  usage: '',
  summary:
    'Measures a cluster under puts, in a closed loop over WebSockets; commands are answered after their execution.',
  flags: benchFlags,
  notes: 'Exit codes: 0 measured, 1 commands were refused or not answered, 2 wrong usage, 4 no replica there.',
  examples: [
    ['epaxos bench', 'three replicas with disks, 1000 commands under way at each'],
    ['epaxos bench --outstanding 1 --durability memory', 'latency, without disks'],
    [
      'epaxos bench --url http://127.0.0.1:7001 --url http://127.0.0.1:7002 --conflicts 100',
      'two replicas that run already',
    ],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../bench/run.ts')).runBench(given)
  },
})
