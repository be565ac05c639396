/** The exit codes of every command. Those of replicas and of `put`, `get`, … are in the table of outcomes.ts. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  /** It was done, but standard output could not be written. */
  outputLost: 3,
  unreachable: 4,
} as const

export { CommandExit, commandExit, ReplicaExit, replicaExit } from '../outcomes.ts'
