import type { Command } from './command.ts'

/** The words after `epaxos`, in the order of the help. Each command is loaded late: a command line needs only one. */
const LOADS = {
  cluster: async () => (await import('./cluster/command.ts')).cluster,
  replica: async () => (await import('./replica/command.ts')).replica,
  put: async () => (await import('./keys/command.ts')).put,
  get: async () => (await import('./keys/command.ts')).get,
  del: async () => (await import('./keys/command.ts')).del,
  incr: async () => (await import('./keys/command.ts')).incr,
  cas: async () => (await import('./keys/command.ts')).cas,
  status: async () => (await import('./status/command.ts')).status,
  members: async () => (await import('./members/command.ts')).members,
  backup: async () => (await import('./backup/command.ts')).backup,
  restore: async () => (await import('./restore/command.ts')).restore,
  inspect: async () => (await import('./inspect/command.ts')).inspect,
  demo: async () => (await import('./demo/command.ts')).demo,
  'demo-replica': async () => (await import('./demo/command.ts')).demoReplica,
  bench: async () => (await import('./bench/command.ts')).bench,
  maelstrom: async () => (await import('./maelstrom/command.ts')).maelstrom,
} as const satisfies Readonly<Record<string, () => Promise<Command>>>

/** The command with this name, or all of them if there is none. */
export async function loadCommands(name: string | undefined): Promise<readonly Command[]> {
  const isOne = name !== undefined && Object.hasOwn(LOADS, name)
  return isOne ? [await LOADS[name as keyof typeof LOADS]()] : await loadAll()
}

export function loadAll(): Promise<readonly Command[]> {
  return Promise.all(Object.values(LOADS).map((load) => load()))
}
