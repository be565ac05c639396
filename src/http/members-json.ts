import { peerAddress } from '../node/addresses.ts'
import { type ChangeRequest, MAX_MEMBER_ID } from '../node/members.ts'
import { type Fields, malformed, parseJson, record } from './strict-json.ts'

/** A change of the members, and whether it is to be done even if no quorum of the new members is up. */
export interface AskedChange {
  readonly change: ChangeRequest
  readonly force: boolean
}

const NAMES = ['add', 'remove', 'replace', 'by', 'force']

/**
 * `{"add": "HOST:PORT"}`, `{"remove": ID}` or `{"replace": ID, "by": "HOST:PORT"}`, each with an optional `"force":
 * true`. Throws an `EpaxosError` with code `malformed` for anything else.
 */
export function parseChange(body: Uint8Array): AskedChange {
  const { force = false, ...fields } = record(parseJson(body), 'the change', NAMES)
  if (typeof force !== 'boolean') throw malformed('"force" is true or false')
  return { change: changeOf(fields), force }
}

function changeOf(fields: Fields): ChangeRequest {
  const names = Object.keys(fields).sort().join()
  if (names === 'add') return { kind: 'add', address: addressOf(fields, 'add') }
  if (names === 'remove') return { kind: 'remove', id: idOf(fields, 'remove') }
  if (names === 'by,replace') return { kind: 'replace', id: idOf(fields, 'replace'), address: addressOf(fields, 'by') }
  throw malformed('a change is {"add"}, {"remove"} or {"replace", "by"}, each with an optional "force"')
}

function addressOf(fields: Fields, name: string): string {
  const text = fields[name]
  if (typeof text !== 'string') throw malformed(`"${name}" is a string, HOST:PORT`)
  try {
    return peerAddress(text)
  } catch (error) {
    throw malformed(`"${name}": ${(error as Error).message}`)
  }
}

function idOf(fields: Fields, name: string): number {
  const id = fields[name]
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) <= MAX_MEMBER_ID) return id as number
  throw malformed(`"${name}" is the id of a member, a whole number from 0 to ${MAX_MEMBER_ID}`)
}
