import type { Members } from '../../node/requests.ts'
import { aligned } from '../aligned.ts'

/** The epoch, and one line for each member. */
export function membersTable({ epoch, nextId, members, leaving }: Members): string {
  const rows = members.map(({ id, address, client, up }) => [String(id), address, client || '-', up ? 'yes' : 'no'])
  return [
    `epoch ${epoch}, the next id is ${nextId}`,
    ...aligned([['id', 'address', 'client', 'up'], ...rows]),
    ...(leaving ? ['the replica that was asked is no member any more'] : []),
    '',
  ].join('\n')
}
