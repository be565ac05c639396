import type { Status } from '../../node/status.ts'

/** Messages from the demo to its processes. */
export type ToReplica =
  | {
      readonly type: 'propose'
      readonly session: string
      readonly number: number
      readonly acknowledged: number
      readonly line: string
    }
  | { readonly type: 'report' }

/** What they say. */
export type FromReplica =
  | { readonly type: 'ready' }
  | { readonly type: 'answered'; readonly session: string; readonly number: number; readonly problem: string | null }
  | { readonly type: 'report'; readonly lines: number; readonly status: Status }
