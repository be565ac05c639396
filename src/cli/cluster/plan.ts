import { join, resolve } from 'node:path'
import { whyTaken } from '../ports.ts'
import { type commonFlags, replicaFlags } from '../replica/flags.ts'
import { flagName, type Settings, wrong } from '../settings/flag.ts'

const HOST = '127.0.0.1'

/** The settings of a cluster on this machine. */
export interface Plan {
  readonly replicas: number
  readonly clientPort: number
  readonly peerPort: number
  readonly data: string
  /** Settings of every replica, except the value of the secret, which is not an argument. */
  readonly common: Partial<Settings<typeof commonFlags>> & { readonly logLevel: string }
}

/** One replica of the plan. */
export interface Member {
  readonly id: number
  readonly url: string
  /** The arguments after the program's name. */
  readonly args: readonly string[]
}

export function membersOf(plan: Plan): Member[] {
  const ids = Array.from({ length: plan.replicas }, (_, id) => id)
  const peers = ids.map((id) => `${HOST}:${plan.peerPort + id}`).join(',')
  return ids.map((id) => {
    const client = `${HOST}:${plan.clientPort + id}`
    const own = [
      '--id',
      String(id),
      '--peers',
      peers,
      '--client',
      client,
      '--data',
      join(resolve(plan.data), String(id)),
    ]
    return { id, url: `http://${client}`, args: ['replica', ...own, ...commonArgs(plan.common)] }
  })
}

/** Leaves out what is the default of a replica. */
function commonArgs({ secret: _, ...common }: Plan['common']): string[] {
  return Object.entries(common).flatMap(([name, value]) => {
    const { fallback } = replicaFlags[name as keyof typeof common]
    if (value === undefined || String(value) === String(fallback)) return []
    return [`--${flagName(name)}`, name === 'secretFile' ? resolve(String(value)) : String(value)]
  })
}

/** Throws an `EpaxosError` with code `configuration` that names an unavailable port. */
export async function checkPorts({ replicas, clientPort, peerPort }: Plan): Promise<void> {
  if (Math.max(clientPort, peerPort) + replicas - 1 > 65_535) throw wrong('the last port would be above 65535')
  if (Math.abs(clientPort - peerPort) < replicas) throw wrong('the ports for clients and for peers overlap')
  for (const [first, flag] of [
    [clientPort, '--client-port'],
    [peerPort, '--peer-port'],
  ] as const) {
    for (let port = first; port < first + replicas; port++) {
      const problem = await whyTaken(port)
      if (problem !== null) throw wrong(`cannot listen on port ${port} (${problem}): choose others with ${flag}`)
    }
  }
}
