import { commonFlags, logLevels } from '../replica/flags.ts'
import { choice, integer, text } from '../settings/flag.ts'

const PORTS = { min: 1, max: 65_535 }

export const clusterFlags = {
  replicas: integer('N', 'number of replicas', { min: 1, max: 9 }, 3),
  clientPort: integer('PORT', 'client port of the first replica; the others count up', PORTS, 7001),
  peerPort: integer('PORT', 'peer port of the first replica; the others count up', PORTS, 7101),
  data: text('DIR', 'the data directories are DIR/0, DIR/1, …', './data'),
  ...commonFlags,
  logLevel: choice(logLevels, 'lowest level that the replicas log, on stderr', 'warn'),
} as const
