import { askingFlags } from '../http/target.ts'
import { integer } from '../settings/flag.ts'

export const backupFlags = {
  url: askingFlags.url,
  secret: askingFlags.secret,
  secretFile: askingFlags.secretFile,
  timeoutMs: integer(
    'MS',
    'the replica is given up when nothing comes for so long',
    { min: 1, max: 3_600_000 },
    10_000,
  ),
} as const
