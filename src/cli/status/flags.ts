import { askingFlags } from '../http/target.ts'
import { toggle } from '../settings/flag.ts'

export const statusFlags = {
  ...askingFlags,
  learn: toggle('also ask the other replicas, at the URLs that the first one names', true),
  json: toggle('print a JSON array: the answer of each replica, or why there is none'),
} as const
