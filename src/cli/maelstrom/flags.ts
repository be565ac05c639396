import { choice, integer } from '../settings/flag.ts'

export const maelstromFlags = {
  engine: choice(['wasm', 'reference'], 'engine for dependencies and order', 'wasm'),
  requestTimeoutMs: integer('N', 'time after which a request is answered as unknown', { min: 1 }, 2000),
} as const
