import { HELD_LIMIT_BYTES } from '../../node/held-limit.ts'
import { SESSION_LIFETIME_MS } from '../../node/member-options.ts'
import { MIN_SESSION_LIFETIME_MS } from '../../node/options.ts'
import { choice, integer, list, text } from '../settings/flag.ts'
import { secretFlags } from '../settings/secret.ts'

/** The settings of any replica, alone or in a cluster on one machine. */
export const commonFlags = {
  durability: choice(['fsync', 'memory'], 'what was answered survives power loss (fsync) or nothing (memory)', 'fsync'),
  engine: choice(['wasm', 'reference'], 'the fast engine, or the simple reference', 'wasm'),
  server: choice(['uws', 'node'], 'server of the peer port; by default uws (uWebSockets.js) if its binary loads'),
  cluster: text('NAME', 'name of the cluster; replicas of another cluster are refused', 'local'),
  ...secretFlags,
  requestTimeoutMs: integer(
    'MS',
    'time after which a command is answered as unknown',
    { min: 1, max: 3_600_000 },
    2000,
  ),
  sessionLifetimeMs: integer(
    'MS',
    'how long a session is remembered after its last use, at least; a majority decides',
    { min: MIN_SESSION_LIFETIME_MS },
    SESSION_LIFETIME_MS,
  ),
  heldLimitBytes: integer(
    'N',
    'memory kept for members that stay away; beyond it the worst one is removed; 0: never',
    { min: 0 },
    HELD_LIMIT_BYTES,
  ),
  allowedOrigins: list('ORIGIN,…', 'web pages that may use this replica, besides its own'),
} as const

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const replicaFlags = {
  id: integer('I', 'its id: its position in --peers, from 0', { min: 0 }),
  peers: list('HOST:PORT,…', 'peer addresses of all replicas that found the cluster, including this one'),
  join: text('HOST:PORT', 'instead of --id and --peers: joins a running cluster, and listens here for its members'),
  client: text('HOST:PORT', 'address to listen on for clients'),
  advertise: text('URL', 'URL that clients and other replicas learn for it; by default http:// and --client'),
  data: text('DIR', 'the data directory'),
  ...commonFlags,
  logLevel: choice(logLevels, 'lowest level to log', 'info'),
} as const
