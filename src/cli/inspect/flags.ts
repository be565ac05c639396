import { toggle } from '../settings/flag.ts'

export const inspectFlags = {
  json: toggle('print one JSON object instead of text'),
} as const
