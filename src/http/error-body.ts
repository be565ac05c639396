import type { ErrorCode } from '../errors.ts'

export const ContentType = {
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
  bytes: 'application/octet-stream',
} as const
export type ContentType = (typeof ContentType)[keyof typeof ContentType]

/** The body of an error: JSON, as everywhere. */
export function errorBody(code: ErrorCode, message: string): string {
  return JSON.stringify({ error: { code, message } })
}
