import { MAX_REPLICAS } from '../../protocol/quorums.ts'
import { integer, text } from '../settings/flag.ts'

export const restoreFlags = {
  data: text('DIR', 'the data directory to make for one member of the new cluster; empty or new'),
  id: integer('I', 'the id of that member: its position in --peers of the new cluster, from 0', { min: 0 }),
  replicas: integer('N', 'how many members the new cluster has', { min: 1, max: MAX_REPLICAS }),
  cluster: text('NAME', 'name of the new cluster', 'local'),
  fromSurvivor: text('DIR', 'write FILE first, from the data directory of a replica that does not run'),
} as const
