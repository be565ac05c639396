import type { Members } from '../../node/requests.ts'
import { aligned } from '../aligned.ts'

/** The epoch, and one line for each member. */
export function membersTable({ epoch, nextId, members, mayReturn, leaving }: Members): string {
  const rows = members.map(({ id, address, client, up }) => [String(id), address, client || '-', up ? 'yes' : 'no'])
  return [
    `epoch ${epoch}, the next id is ${nextId}`,
    ...aligned([['id', 'address', 'client', 'up'], ...rows]),
    ...(mayReturn.length > 0 ? [`removed because they stayed away, and may come back: ${mayReturn.join(', ')}`] : []),
    ...(leaving ? ['the replica that was asked is no member any more'] : []),
    '',
  ].join('\n')
}
