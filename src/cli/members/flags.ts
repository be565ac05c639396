import { askingFlags } from '../http/target.ts'
import { toggle } from '../settings/flag.ts'

export const membersFlags = {
  ...askingFlags,
  force: toggle('change them even if fewer than a quorum of the new members are up'),
  json: toggle('print the answer of the replica to GET /members'),
} as const
