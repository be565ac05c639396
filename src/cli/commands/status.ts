import { CommandError } from '../../errors.ts'
import type { Status } from '../../node/status.ts'
import { command } from '../command.ts'
import { CommandExit } from '../exit-codes.ts'
import { ask, type Target } from '../http/ask.ts'
import { complain } from '../process/complain.ts'
import { toggle, wrong } from '../settings/flag.ts'
import { statusTable } from '../status/table.ts'
import { askingFlags, targetOf } from './keys.ts'

/** The time limit for replicas that are only asked because another one named them. */
const OTHERS_TIMEOUT_MS = 1000

export const status = command({
  name: 'status',
  usage: '',
  summary: 'Prints the status of one replica, and of the others that it names.',
  flags: {
    ...askingFlags,
    learn: toggle('also ask the other replicas, at the URLs that the first one names', true),
    json: toggle('print a JSON array: the answer of each replica, or why there is none'),
  },
  notes: 'Exit codes: 0 done, 2 wrong usage, 4 the replica cannot be reached.',
  examples: [
    ['epaxos status', 'a table'],
    ['epaxos status --no-learn', 'only this replica: the secret goes to no URL that a replica names'],
    ['epaxos status --json --url http://127.0.0.1:7002', 'the answer of each replica to GET /status'],
  ],
  run: async (given) => {
    if (given.positionals.length > 0) throw wrong(`unexpected argument ${given.positionals[0]}`)
    const target = targetOf(given)
    try {
      const reports = given.settings.learn ? await askAll(target) : [await askOne(target)]
      process.stdout.write(given.settings.json ? `${JSON.stringify(reports, null, 2)}\n` : statusTable(reports))
      return CommandExit.done
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      complain(error.message)
      return CommandExit.refused
    }
  },
})

/** What one replica reports about itself, or why it does not report. */
export type Report = Status | { readonly id: number; readonly client: string; readonly error: string }

/** By id. Rejects with a `CommandError` if the first replica does not answer. */
async function askAll(target: Target): Promise<Report[]> {
  const first = await askOne(target)
  return await Promise.all(
    first.replicas.map(async ({ id, client }) => {
      if (id === first.id) return first
      if (client === '') return { id, client, error: `replica ${first.id} has not met it yet` }
      const timeoutMs = Math.min(target.timeoutMs, OTHERS_TIMEOUT_MS)
      try {
        const status = await askOne({ ...target, url: client, timeoutMs })
        if (status.clusterId === first.clusterId || status.clusterId === null) return status
        return { id, client, error: 'a replica of another cluster answers there' }
      } catch (error) {
        return { id, client, error: (error as Error).message }
      }
    }),
  )
}

async function askOne(target: Target): Promise<Status> {
  const { status, body, message } = await ask(target, 'GET', '/status')
  if (status !== 200) throw new CommandError('not_ready', 'refused', `${target.url}: ${message}`)
  return JSON.parse(new TextDecoder().decode(body)) as Status
}
