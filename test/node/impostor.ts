import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Replica } from '../../src/node/replica.ts'
import type { Claim } from '../../src/transport/transport.ts'
import { claimOf } from '../transport/observer.ts'

/** What a later start of a directory would say to a founded member, for a test that poses as its replica. */
export async function laterStartOf(directory: string, id: number, member: Replica): Promise<Claim> {
  const identity = JSON.parse(await readFile(join(directory, 'identity.json'), 'utf8'))
  return claimOf(id, identity.replicas, {
    incarnation: Buffer.from(identity.incarnation, 'hex'),
    start: { number: 2 ** 32, nonce: new Uint8Array(16) },
    ...{ journal: 2 ** 40, clusterId: member.clusterId, founded: true },
  })
}
