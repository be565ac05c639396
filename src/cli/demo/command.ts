import { command } from '../command.ts'
import { demoFlags, demoReplicaFlags } from './flags.ts'

export const demo = command({
  name: 'demo',
  summary: 'Three processes propose conflicting lines; one is killed and comes back; all print the same transcript.',
  flags: demoFlags,
  notes: 'Exit codes: 0 the transcripts are equal and complete, 1 they are not, 2 wrong usage.',
  examples: [
    ['epaxos demo', 'a few seconds'],
    ['epaxos demo --commands 10000 --data /tmp/demo', 'more commands; the transcripts are kept'],
  ],
  run: async (given) => (await import('./run.ts')).runDemo(given.settings),
})

/** One of the three replicas; not for users. */
export const demoReplica = command({
  name: 'demo-replica',
  summary: 'One process of the demo, started by it.',
  internal: true,
  flags: demoReplicaFlags,
  examples: [],
  run: async (given) => (await import('./replica.ts')).runDemoReplica(given.settings),
})
