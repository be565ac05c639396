import { command } from '../command.ts'
import { choice, integer, wrong } from '../settings/flag.ts'

export const maelstromFlags = {
  engine: choice(['wasm', 'reference'], 'engine for dependencies and order', 'wasm'),
  requestTimeoutMs: integer('N', 'time after which a request is answered as unknown', { min: 1 }, 2000),
} as const

export const maelstrom = command({
  name: 'maelstrom',
  usage: '',
  summary: 'One node for Maelstrom, on stdin and stdout: workloads lin-kv, txn-rw-register and txn-list-append.',
  flags: maelstromFlags,
  notes: 'It keeps nothing on disk. Exit codes: 0 stopped, 1 an invariant broke, 2 wrong usage.',
  examples: [
    [
      'maelstrom test -w lin-kv --bin ./node --node-count 3 --time-limit 30 --nemesis partition',
      'with a script ./node that runs: exec epaxos maelstrom',
    ],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    return (await import('../maelstrom/run.ts')).runMaelstrom(given.settings)
  },
})
