import { choice, integer, list, text } from '../settings/flag.ts'
import { secretFlags } from '../settings/secret.ts'

/** The settings of any replica, alone or in a cluster on one machine. */
export const commonFlags = {
  durability: choice(['fsync', 'memory'], 'what an answer survives: everything, or nothing', 'fsync'),
  engine: choice(['wasm', 'reference'], 'the fast engine, or the simple one that proves it right', 'wasm'),
  server: choice(['uws', 'node'], 'what serves the peer port; by itself uws (uWebSockets.js) where its binary loads'),
  cluster: text('NAME', "the cluster's name; replicas of another are refused", 'local'),
  ...secretFlags,
  requestTimeoutMs: integer('MS', 'after this a command is answered as unknown', { min: 1, max: 3_600_000 }, 2000),
  allowedOrigins: list('ORIGIN,…', 'web pages that may use this replica, besides its own'),
} as const

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const replicaFlags = {
  id: integer('I', 'which one it is: its position in --peers, from 0', { min: 0 }),
  peers: list('HOST:PORT,…', 'where each replica listens for the others, this one included'),
  client: text('HOST:PORT', 'where it listens for clients'),
  advertise: text(
    'URL',
    'where clients reach it: what clients and the other replicas learn; by default http:// and --client',
  ),
  data: text('DIR', 'the data directory'),
  ...commonFlags,
  logLevel: choice(logLevels, 'the least that is logged', 'info'),
} as const
