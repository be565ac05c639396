import type { ErrorCode } from '../errors.ts'

export const ContentType = {
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
  bytes: 'application/octet-stream',
  /** The text format of Prometheus. */
  metrics: 'text/plain; version=0.0.4; charset=utf-8',
} as const
export type ContentType = (typeof ContentType)[keyof typeof ContentType]

/** The body of an error: JSON, as everywhere. */
export function errorBody(code: ErrorCode, message: string): string {
  return JSON.stringify({ error: { code, message } })
}
