import { CommandError } from '../../errors.ts'
import { peerAddress } from '../../node/addresses.ts'
import { MAX_MEMBER_ID, type Members } from '../../node/members.ts'
import { CommandExit, commandExit } from '../exit-codes.ts'
import { ask, jsonOf } from '../http/ask.ts'
import { targetOf } from '../http/target.ts'
import { complain } from '../process/complain.ts'
import { wrong } from '../settings/flag.ts'
import type { Given } from '../settings/read.ts'
import type { membersFlags } from './flags.ts'
import { membersTable } from './table.ts'

/** Resolves with the exit code. Rejects with an `EpaxosError` with code `configuration` if an argument is wrong. */
export async function runMembers(given: Given<typeof membersFlags>): Promise<number> {
  const { json, force } = given.settings
  const target = targetOf(given)
  const change = changeOf(given.positionals)
  if (change === null && force) throw wrong('--force is for a change')
  const body = change === null ? undefined : JSON.stringify({ ...change, ...(force && { force }) })
  try {
    const answer = await ask(target, body === undefined ? 'GET' : 'POST', '/members', body)
    if (answer.status !== 200) {
      complain(`members: ${answer.message}`)
      return commandExit(answer.status)
    }
    const members = jsonOf(target, answer) as Members
    process.stdout.write(json ? `${JSON.stringify(members, null, 2)}\n` : membersTable(members))
    return CommandExit.done
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    complain(error.message)
    return error.outcome === 'unknown' && change !== null ? CommandExit.unknown : CommandExit.refused
  }
}

/** What `POST /members` takes; null if nothing is to be changed. */
function changeOf([kind, which, by]: readonly string[]): object | null {
  if (kind === undefined) return null
  if (kind === 'add') {
    if (by !== undefined) throw wrong(`unexpected argument ${by}`)
    return { add: addressOf(which) }
  }
  if (kind === 'remove') {
    if (by !== undefined) throw wrong(`unexpected argument ${by}`)
    return { remove: idOf(which) }
  }
  if (kind === 'replace') return { replace: idOf(which), by: addressOf(by) }
  throw wrong(`members takes add, remove or replace, not ${kind}`)
}

function idOf(text: string | undefined): number {
  if (text === undefined) throw wrong('the ID of a member is missing')
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (id <= MAX_MEMBER_ID) return id
  throw wrong(`the id of a member is a whole number from 0 to ${MAX_MEMBER_ID}, not ${text}`)
}

function addressOf(text: string | undefined): string {
  if (text === undefined) throw wrong('the address HOST:PORT of a new member is missing')
  return peerAddress(text)
}
