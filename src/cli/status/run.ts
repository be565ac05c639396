import { CommandError } from '../../errors.ts'
import type { Status } from '../../node/status.ts'
import { CommandExit } from '../exit-codes.ts'
import { ask, jsonOf, type Target } from '../http/ask.ts'
import { targetOf } from '../http/target.ts'
import { complain } from '../process/complain.ts'
import type { Given } from '../settings/read.ts'
import type { statusFlags } from './flags.ts'
import type { Report } from './report.ts'
import { statusTable } from './table.ts'

/** The time limit for replicas that are only asked because another one named them. */
const OTHERS_TIMEOUT_MS = 1000

/** Resolves with the exit code. */
export async function runStatus(given: Given<typeof statusFlags>): Promise<number> {
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
}

/**
 * By row; first the replica that was asked, if it is no member. Rejects with a `CommandError` if that one does not
 * answer.
 */
async function askAll(target: Target): Promise<Report[]> {
  const first = await askOne(target)
  const isMember = first.replicas.some(({ id }) => id === first.id)
  const members = await Promise.all(
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
  return isMember ? members : [first, ...members]
}

async function askOne(target: Target): Promise<Status> {
  const answer = await ask(target, 'GET', '/status')
  const { status, message } = answer
  if (status !== 200) throw new CommandError('not_ready', 'refused', `${target.url}: ${message}`)
  return jsonOf(target, answer) as Status
}
